//! Panics: a defect of this program or of a library ends the run with one message and an orderly exit, not with the
//! text of Rust's panic hook.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

/// Receives the description of a panic on the thread that panicked.
type Listener = Box<dyn Fn(&str) + Send>;

/// The message and location of the first panic in the process.
static FIRST: OnceLock<String> = OnceLock::new();
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

thread_local! {
    /// Whether a panic on this thread is expected and handled by the caller.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The longest part of a panic message that is reported.
const LONGEST: usize = 200;

/// Installs a panic hook that records a panic and reports it to the listener. The hook prints nothing: the end of the
/// run reports the panic once.
pub fn install() {
    std::panic::set_hook(Box::new(note));
}

fn note(panic: &PanicHookInfo<'_>) {
    if EXPECTED.get() {
        return;
    }
    let text = describe(panic.payload(), panic.location());
    if let Some(listener) = lock(&LISTENER).as_ref() {
        listener(&text);
    }
    // Later panics follow from the first one.
    let _ = FIRST.set(text);
}

/// Sets the listener for every panic on any thread.
pub fn listen(listener: impl Fn(&str) + Send + 'static) {
    *lock(&LISTENER) = Some(Box::new(listener));
}

/// Locks a mutex, also one whose holder panicked: the panic ends the run by other means.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The description of the first panic in this process, if there was one.
pub fn first() -> Option<&'static str> {
    FIRST.get().map(String::as_str)
}

/// Runs a function whose panic is expected: the panic is returned, and the listener does not receive it.
pub fn expecting<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = EXPECTED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    done.map_err(|panic| describe(&*panic, None))
}

/// Runs a function whose panic is not expected: it is recorded and returned.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| words_of(&*panic))
}

/// A future that returns its own panic.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // A future that has panicked is not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(words_of(&*panic))),
        }
    })
    .await
}

/// The message and location of a caught panic, as far as they were recorded.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    first().map_or_else(|| describe(panic, None), str::to_owned)
}

/// The description of a task that panicked or was cancelled.
pub(crate) fn words_of_task(ended: tokio::task::JoinError) -> String {
    match ended.try_into_panic() {
        Ok(panic) => words_of(&*panic),
        Err(cancelled) => cancelled.to_string(),
    }
}

fn describe(panic: &dyn Any, location: Option<&Location<'_>>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let words = harmless(text.unwrap_or_default());
    match location {
        Some(place) => format!("{words} ({}:{})", in_crate(place.file()), place.line()),
        None => words,
    }
}

/// The first line up to its first colon or quotation mark: a value follows, which may contain anything, such as the
/// bytes of a file. Only the message of `unwrap` begins with a quoted name.
fn harmless(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let plain = line.split(": ").next().unwrap_or_default();
    let plain = match plain.strip_prefix("called `") {
        Some(_) => plain,
        None => plain.split(['`', '\'', '"']).next().unwrap_or_default(),
    };
    let plain = plain.trim();
    let plain: String = plain.chars().take(LONGEST).collect();
    if plain.is_empty() {
        "a panic without words".to_owned()
    } else {
        plain
    }
}

/// The path of a source file from its crate's folder on, without the folders of the computer that compiled it.
fn in_crate(file: &str) -> &str {
    let at = |folder: &str| {
        let (_, rest) = file.split_once(folder)?;
        rest.split_once(['/', '\\']).map(|(_, rest)| rest)
    };
    at("/registry/src/")
        .or_else(|| at("\\registry\\src\\"))
        .or_else(|| at("/rustc/"))
        .unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_message_contains_no_values_and_no_build_path() {
        for (message, expected) in [
            (
                "called `Result::unwrap()` on an `Err` value: Utf8 { bytes: [1, 2] }",
                "called `Result::unwrap()` on an `Err` value",
            ),
            (
                "signing failed: InvalidHeaderValue(\"hunter2\")",
                "signing failed",
            ),
            ("URL was unset\nleft: \"\"", "URL was unset"),
            ("", "a panic without words"),
        ] {
            assert_eq!(harmless(message), expected);
        }
        let file = "/x/registry/src/index-123/aws-smithy-types-1.9.3/src/endpoint.rs";
        assert_eq!(in_crate(file), "aws-smithy-types-1.9.3/src/endpoint.rs");
        assert_eq!(
            in_crate("/rustc/abc/library/core/src/x.rs"),
            "library/core/src/x.rs"
        );
        assert_eq!(in_crate("src/engine/mod.rs"), "src/engine/mod.rs");
    }

    #[tokio::test]
    async fn a_future_returns_its_own_panic() {
        let broken = caught(async {
            tokio::task::yield_now().await;
            panic!("the roof fell in");
        });
        let broken: Result<(), String> = broken.await;
        assert!(broken.unwrap_err().contains("the roof fell in"));
        assert_eq!(caught(async { 7 }).await, Ok(7));
        assert_eq!(expecting(|| 7), Ok(7));
    }
}
