//! What the kernel counts about a process: time on a core, context switches, memory. proc(5).
use std::fs;
use std::io;

/// One reading.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Time on a core of all threads, in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// Context switches of all threads, their own wish or not.
    pub(crate) switches: u64,
    /// Resident memory.
    pub(crate) rss_kib: u64,
}

/// Reads the counters of a process.
///
/// # Errors
///
/// There is no such process, or the kernel does not tell (`CONFIG_SCHED_INFO`).
pub(crate) fn read(pid: u32) -> io::Result<Reading> {
    let mut reading = Reading::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        // A thread may end between being listed and being read.
        let Ok(schedule) = fs::read_to_string(task.join("schedstat")) else { continue };
        let Ok(status) = fs::read_to_string(task.join("status")) else { continue };
        reading.cpu_nanos += schedule.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        reading.switches += field(&status, "voluntary_ctxt_switches") + field(&status, "nonvoluntary_ctxt_switches");
    }
    if reading.cpu_nanos == 0 {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "no run times in schedstat"));
    }
    reading.rss_kib = field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS");
    Ok(reading)
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_process_that_works_takes_time_and_memory() {
        // Not this one, whose threads come and go: the time of those that have ended is not counted.
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell");
        let end = Instant::now() + Duration::from_secs(20);
        let mut readings = std::iter::from_fn(|| (Instant::now() < end).then(|| read(busy.id()))).flatten();
        let before = readings.next();
        let after = before.and_then(|before| readings.find(|after| after.cpu_nanos > before.cpu_nanos));
        busy.kill().and_then(|()| busy.wait()).expect("ends");
        let after = after.expect("it has worked meanwhile");
        assert!(after.rss_kib > 100, "{after:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_told() {
        assert_eq!(read(u32::MAX).map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t5\nVmRSS:\t  123 kB\n";
        assert_eq!(field(status, "voluntary_ctxt_switches"), 5);
        assert_eq!(field(status, "nonvoluntary_ctxt_switches"), 7);
        assert_eq!(field(status, "VmRSS"), 123);
        assert_eq!(field(status, "Vm"), 0);
    }
}
