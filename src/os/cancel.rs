//! A running program that another thread may end.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cancels the program that runs with it; the copies of one are one.
///
/// ```
/// use portcullis::os::cancel::Cancellation;
/// use portcullis::os::process::{ProcessError, Program};
/// let cancellation = Cancellation::default();
/// cancellation.cancel();
/// let sleep = Program::new("/bin/sleep").args(["60"]).until(&cancellation);
/// assert!(matches!(sleep.run(), Err(ProcessError::Cancelled { .. })));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Mutex<CancelState>>);

#[derive(Debug, Default)]
struct CancelState {
    is_cancelled: bool,
    /// Wakes the thread that waits for the program.
    wake: Option<Sender<Woken>>,
}

/// Why a thread that waited for a program goes on.
#[derive(Debug)]
pub(super) enum Woken {
    Ended(std::io::Result<()>),
    Cancelled,
}

impl Cancellation {
    /// Ends the program that runs, and each that is started with this later.
    pub fn cancel(&self) {
        let mut state = self.state();
        state.is_cancelled = true;
        if let Some(wake) = state.wake.take() {
            // Where the program has ended meanwhile, no thread listens.
            let _ = wake.send(Woken::Cancelled);
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.state().is_cancelled
    }

    pub(super) fn wakes(&self, wake: Sender<Woken>) {
        let mut state = self.state();
        if state.is_cancelled {
            let _ = wake.send(Woken::Cancelled);
        } else {
            state.wake = Some(wake);
        }
    }

    fn state(&self) -> MutexGuard<'_, CancelState> {
        // A thread that panicked left a state that is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
