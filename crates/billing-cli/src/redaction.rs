//! Takes passwords out of what is shown. A URL of a database may have one, and may stand where no URL is looked for: in what the
//! argument parser refuses, or where the name of a file is meant.

/// How a URL of a database begins, right or wrong, in small letters or capitals. See
/// [`Target::is_meant`](billing_postgres::Target::is_meant).
const SCHEMES: [&str; 2] = ["postgres:", "postgresql:"];

/// The parameter that has a password.
const PARAMETER: &str = "password=";

/// The text with the URLs of databases in it as they are, and without their passwords.
pub(crate) fn without_passwords(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = SCHEMES.iter().filter_map(|scheme| Some(find(rest, scheme)? + scheme.len())).min()
    {
        let (before, after) = rest.split_at(start);
        shown.push_str(before);
        // A password may have any character that is no space, also an `@` that should be written `%40`.
        let (word, _) = after.split_at(after.find(char::is_whitespace).unwrap_or(after.len()));
        let next = SCHEMES.iter().filter_map(|scheme| find(word, scheme)).min().unwrap_or(word.len());
        let (url, behind) = after.split_at(next);
        shown.push_str(&without_parameter(&without_userinfo(url)));
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// Where a scheme begins, in small letters or capitals.
fn find(text: &str, scheme: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(scheme)
}

/// `user:secret@host/…` without `:secret`.
fn without_userinfo(url: &str) -> String {
    match url.rsplit_once('@').and_then(|(info, place)| Some((info.split_once(':')?.0, place))) {
        Some((user, place)) => format!("{user}@{place}"),
        None => url.to_owned(),
    }
}

/// `…?password=secret&x=y` without the secret and its name.
fn without_parameter(url: &str) -> String {
    let (mut shown, mut rest) = (String::new(), url);
    while let Some((before, after)) = rest.split_once(PARAMETER) {
        let end = after.find(['&', '`', '\'', '"']).unwrap_or(after.len());
        let behind = after.get(end..).unwrap_or_default();
        // With the first of several parameters, the sign behind it goes, else the sign before it.
        match (before.ends_with('?'), behind.strip_prefix('&')) {
            (true, Some(others)) => {
                shown.push_str(before);
                rest = others;
            }
            _ => {
                shown.push_str(before.strip_suffix(['?', '&']).unwrap_or(before));
                rest = behind;
            }
        }
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (text, shown) in [
            ("nothing: a@b, x:y", "nothing: a@b, x:y"),
            ("postgres://u@h:5432/b?sslmode=require", "postgres://u@h:5432/b?sslmode=require"),
            ("postgres://h:5432/b is no place", "postgres://h:5432/b is no place"),
            ("postgres://u:s3cret@h:5432/b", "postgres://u@h:5432/b"),
            ("`postgresql://u:s3cret@h/b` found; a:b@c", "`postgresql://u@h/b` found; a:b@c"),
            ("postgres://u:s3@cr:et@h/b", "postgres://u@h/b"),
            ("postgres://u:s3/cr?et@h/b", "postgres://u@h/b"),
            ("postgres://:s3cret@/b", "postgres://@/b"),
            ("postgres://u@h/b?password=s3cret", "postgres://u@h/b"),
            ("'postgres://u@h/b?password=s3cret'", "'postgres://u@h/b'"),
            ("postgres://u@h/b?password=s3cret&a=b&password=s3cret", "postgres://u@h/b?a=b"),
            ("postgres://u@h/b?a=b&password=s3cret&c=d", "postgres://u@h/b?a=b&c=d"),
            ("postgres://u:s3cret@h/b postgres://v:s3cret@h/c\nx", "postgres://u@h/b postgres://v@h/c\nx"),
            ("postgres://u:s3cret@h/b,postgres://v:s3cret@h/c", "postgres://u@h/b,postgres://v@h/c"),
            ("`POSTGRES://u:s3cret@h/b`", "`POSTGRES://u@h/b`"),
            ("postgres:/u:s3cret@h/b", "postgres:/u@h/b"),
            ("postgresql:u:s3cret@h/b", "postgresql:u@h/b"),
        ] {
            assert_eq!(without_passwords(text), shown, "{text}");
        }
    }
}
