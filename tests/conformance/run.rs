//! Runs the probes, many at once: they wait most of the time, and none depends on another.
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::statement::Proof;
use crate::statement::Scene;
use crate::statement::Statement;
use crate::target::Target;
use crate::verdict::Seen;
use crate::way::Way;

/// Probes at the same time.
const THREADS: usize = 32;

/// What became of a statement over each way that it is about.
pub struct Row {
    pub statement: &'static Statement,
    pub cells: Vec<(Way, Seen<()>)>,
}

/// Judges every statement over every way of a server.
pub fn judge(statements: &[&'static Statement], target: &Target) -> Vec<Row> {
    let jobs: Vec<(usize, &Way)> = statements
        .iter()
        .enumerate()
        .flat_map(|(at, statement)| statement.ways(target).into_iter().map(move |way| (at, way)))
        .collect();
    let results = Mutex::new(vec![None; jobs.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((at, way)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Proof::Probe(probe) = statements[*at].proof else { continue };
                    let seen = probe(&Scene { target, way });
                    let place = jobs.iter().position(|job| job.0 == *at && job.1.name == way.name).expect("this job");
                    results.lock().expect("no probe panicked")[place] = Some(seen);
                }
            });
        }
    });
    let results = results.into_inner().expect("no probe panicked");
    let cell = |statement: &Statement, way: &Way, result: &Option<Seen<()>>| match statement.proof {
        Proof::Probe(_) => result.clone(),
        // The probes are over: everything has been looked at.
        Proof::Watched(kind) => Some(target.watch.verdict(way.name, kind)),
        Proof::Told => None,
    };
    let row = |(at, statement): (usize, &&'static Statement)| {
        let of_it = jobs.iter().zip(&results).filter(|((place, _), _)| *place == at);
        let cells =
            of_it.filter_map(|((_, way), result)| Some(((*way).clone(), cell(statement, way, result)?))).collect();
        Row { statement, cells }
    };
    statements.iter().enumerate().map(row).collect()
}
