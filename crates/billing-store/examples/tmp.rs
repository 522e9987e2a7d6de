use billing_model::SortOrder;
use billing_sample::History;
use billing_store::*;
use std::time::Instant;
fn main() {
    let n: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let d = std::env::args().nth(2).map(std::path::PathBuf::from).unwrap();
    let p = d.join("l.db");
    let l = Ledger::open_or_create(&p).unwrap();
    let a = l.create_account("a").unwrap();
    let t = Instant::now();
    let c = History::new(1, n).count();
    println!("sample {c} in {:?}", t.elapsed());
    let t = Instant::now();
    let mut i = l.import(a).unwrap();
    let mut buf = Vec::new();
    for e in History::new(1, n) {
        buf.push(e);
        if buf.len() == 1000 {
            i.write(&buf).unwrap();
            buf.clear();
        }
    }
    i.write(&buf).unwrap();
    let t2 = Instant::now();
    i.finish().unwrap();
    println!("import {:?} (finish {:?})", t.elapsed(), t2.elapsed());
    println!(
        "bytes/row {} wal {}",
        std::fs::metadata(&p).unwrap().len() / n,
        std::fs::metadata(d.join("l.db-wal")).unwrap().len()
    );
    for f in [
        Filter::default(),
        Filter { currency: Some("VCU".into()), ..Filter::default() },
        Filter { currency: Some("USD".into()), ..Filter::default() },
    ] {
        let t = Instant::now();
        let (mut s, mut after, mut pages, mut worst) = (None, None, 0u32, std::time::Duration::ZERO);
        loop {
            let t = Instant::now();
            let pg = l.page_by_position(a, &f, s, after, 1000).unwrap();
            worst = worst.max(t.elapsed());
            pages += 1;
            s = Some(pg.snapshot);
            after = pg.next;
            if after.is_none() {
                break;
            }
        }
        println!("walk {pages} pages {:?}, each {:?}, worst {worst:?}", t.elapsed(), t.elapsed() / pages);
        let total = l.page_by_number(a, &f, SortOrder::Asc, 500, 1).unwrap().total;
        let pages = u32::try_from(total.div_ceil(500)).unwrap();
        for o in [SortOrder::Asc, SortOrder::Desc] {
            let t = Instant::now();
            let mut worst = std::time::Duration::ZERO;
            for k in 1..=pages {
                let t = Instant::now();
                l.page_by_number(a, &f, o, 500, k).unwrap();
                worst = worst.max(t.elapsed());
            }
            println!("numbered {o} {pages} pages each {:?} worst {worst:?}", t.elapsed() / pages);
        }
    }
    let t = Instant::now();
    let r = l.rollups(a, None).unwrap().len();
    println!("rollups {r} in {:?}", t.elapsed());
    let (_, k) = l.create_key(a, KeyKind::Admin, "2026-06-15T00:00:00Z".parse().unwrap()).unwrap();
    let t = Instant::now();
    for _ in 0..10000 {
        l.authenticate(k.expose()).unwrap();
    }
    println!("auth {:?}", t.elapsed() / 10000);
    println!(
        "{}",
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
            .collect::<String>()
    );
}
