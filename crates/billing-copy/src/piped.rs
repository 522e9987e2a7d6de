//! Reading on one thread what is used on another one.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::error::Error;

/// How many things wait between the two at most. They are large.
const MOST_WAITING: usize = 2;

/// Hands one thing over. A break says that nobody wants more.
pub(crate) type Hand<'h, T> = dyn FnMut(T) -> ControlFlow<()> + 'h;

/// Reads things on a thread of its own, and uses each of them on this one, in their order. When using one fails, reading ends.
pub(crate) fn piped<T: Send>(
    read: impl FnOnce(&mut Hand<'_, T>) -> Result<(), Error> + Send,
    mut use_one: impl FnMut(T) -> Result<(), Error>,
) -> Result<(), Error> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let reading = scope.spawn(move || {
            read(&mut |thing| match sender.send(thing) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        });
        // The receiver goes with the first failure, and then the reader's next thing is not wanted.
        let used = receiver.into_iter().try_for_each(&mut use_one);
        match reading.join() {
            Ok(read) => used.and(read),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(hand: &mut Hand<'_, u32>) -> Result<(), Error> {
        (0..1_000).try_for_each(&mut *hand).is_continue().then_some(()).ok_or_else(|| failed("nobody reads"))
    }

    fn failed(message: &str) -> Error {
        Error::differs(message.to_owned())
    }

    #[test]
    fn everything_comes_in_its_order() {
        let mut seen = Vec::new();
        piped(numbers, |number| {
            seen.push(number);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_ends_both() {
        let error = piped(numbers, |number| if number == 7 { Err(failed("at seven")) } else { Ok(()) });
        assert_eq!(error.unwrap_err().to_string(), "at seven");
        let read = |hand: &mut Hand<'_, u32>| {
            let _ = hand(1);
            Err(failed("unreadable"))
        };
        assert_eq!(piped(read, |_| Ok(())).unwrap_err().to_string(), "unreadable");
    }
}
