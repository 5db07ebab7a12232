//! Signals that reach the process that was meant, or nobody.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use super::identity::Running;

/// A way to one process for as long as it lives; its number may be given to another one, this may not.
pub(super) struct Handle {
    pid: u32,
    #[cfg(target_os = "linux")]
    descriptor: Option<rustix::fd::OwnedFd>,
}

impl Handle {
    /// None when the process is gone.
    ///
    /// # Errors
    /// When its number is none.
    pub(super) fn open(running: &Running) -> Result<Option<Self>> {
        let pid = running.identity.pid;
        #[cfg(target_os = "linux")]
        let handle = {
            use rustix::process::{PidfdFlags, pidfd_open};
            // Kernels before 5.3 have none.
            Self { pid, descriptor: pidfd_open(number(pid)?, PidfdFlags::empty()).ok() }
        };
        #[cfg(not(target_os = "linux"))]
        let handle = Self { pid };
        // Asked after it was opened: what it leads to now, it leads to for good.
        Ok(running.is_alive().then_some(handle))
    }

    /// Sends a signal; that the process is gone is fine.
    ///
    /// # Errors
    /// When it belongs to somebody else.
    pub(super) fn send(&self, signal: Signal) -> Result<()> {
        match self.kill(signal)? {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("signalling process {}", self.pid)),
        }
    }

    fn kill(&self, signal: Signal) -> Result<rustix::io::Result<()>> {
        #[cfg(target_os = "linux")]
        if let Some(descriptor) = &self.descriptor {
            return Ok(rustix::process::pidfd_send_signal(descriptor, signal));
        }
        Ok(rustix::process::kill_process(number(self.pid)?, signal))
    }
}

fn number(pid: u32) -> Result<Pid> {
    Pid::from_raw(pid.cast_signed()).context("process numbers are positive")
}
