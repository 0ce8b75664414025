//! The log as it is looked at: filtered, searched, paused, and losing its oldest lines all the while.

use super::*;
use crate::runbook::names::PartitionName;

fn line(number: usize) -> LogLine {
    let partition = match number % 3 {
        0 => None,
        1 => Some("dev".into()),
        _ => Some("prod".into()),
    };
    LogLine {
        at: Timestamp::UNIX_EPOCH,
        source: if number.is_multiple_of(2) { LogSource::Program } else { LogSource::Rds },
        partition,
        level: if number.is_multiple_of(10) { Level::Error } else { Level::Info },
        text: format!("line {number}{}", if number.is_multiple_of(7) { " seven" } else { "" }),
    }
}

fn log(count: usize) -> Log {
    let mut log = Log::default();
    for number in 0..count {
        log.push(line(number));
    }
    log
}

/// As the pane draws it: so many rows that end with the last line that is looked at.
fn draw(log: &mut Log, rows: usize) {
    let bottom = match log.place() {
        Place::Follow => log.passing(),
        Place::Paused { bottom, .. } => (log.older_than(bottom) + 1).min(log.passing()),
    };
    let seen = (bottom.saturating_sub(rows)..bottom).filter_map(|rank| log.at(rank)).map(|line| line.id).collect();
    log.saw(seen);
}

fn filtered(change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    change(&mut filter);
    filter
}

fn ids(log: &Log) -> Vec<u64> {
    (0..log.passing()).filter_map(|rank| log.at(rank)).map(|line| line.id).collect()
}

#[test]
fn what_is_hidden_is_hidden_whether_it_came_before_or_after() {
    let all = [PartitionName::from("dev"), "prod".into()];
    let filters = [
        Filter::default(),
        filtered(|filter| filter.least = Level::Error),
        filtered(|filter| filter.turn_source(LogSource::Rds)),
        filtered(|filter| filter.turn_partition(None)),
        filtered(|filter| filter.only(&"prod".into(), &all)),
        filtered(|filter| {
            filter.only(&"dev".into(), &all);
            filter.turn_source(LogSource::Program);
        }),
    ];
    for filter in filters {
        let shown = |number: &usize| {
            let line = line(*number);
            line.level >= filter.least
                && !filter.sources.contains(&line.source)
                && !filter.partitions.contains(&line.partition)
        };
        let mut log = log(50);
        log.set_filter(filter.clone());
        for number in 50..100 {
            log.push(line(number));
        }
        let expected: Vec<u64> = (0..100).filter(shown).map(|number| number as u64).collect();
        assert_eq!(ids(&log), expected, "{filter:?}");
        assert_eq!(log.len(), 100);
        log.set_limit(Limit { lines: 30, bytes: usize::MAX });
        assert_eq!(ids(&log), expected.into_iter().filter(|id| *id >= 70).collect::<Vec<_>>());
    }
}

#[test]
fn a_source_that_is_turned_twice_is_shown_again() {
    let filter = filtered(|filter| {
        filter.turn_source(LogSource::Rds);
        filter.turn_source(LogSource::Rds);
        filter.turn_partition(None);
        filter.turn_partition(None);
    });
    assert!(filter.is_open());
}

#[test]
fn a_paused_log_stays_where_it_is_and_one_that_comes_to_its_end_follows() {
    let mut log = log(100);
    draw(&mut log, 10);
    log.scroll(3);
    draw(&mut log, 10);
    assert_eq!(log.seen(), (87..97).collect::<Vec<u64>>());
    for number in 100..200 {
        log.push(line(number));
    }
    draw(&mut log, 10);
    assert_eq!(log.seen(), (87..97).collect::<Vec<u64>>());
    log.scroll(-102);
    assert!(!log.follows());
    log.scroll(-1);
    assert!(log.follows());
}

#[test]
fn the_oldest_line_is_the_end_of_going_back() {
    let mut log = log(100);
    draw(&mut log, 10);
    log.to_oldest();
    draw(&mut log, 10);
    assert_eq!(log.seen(), (0..10).collect::<Vec<u64>>());
    log.scroll(5);
    draw(&mut log, 10);
    assert_eq!(log.seen(), (0..10).collect::<Vec<u64>>());
    log.follow();
    draw(&mut log, 10);
    assert_eq!(log.seen().last(), Some(&99));
}

#[test]
fn a_log_that_fits_has_nothing_to_go_back_to_but_can_be_paused() {
    let mut log = log(5);
    draw(&mut log, 10);
    log.scroll(1);
    assert!(log.follows());
    log.pause();
    log.push(line(5));
    assert_eq!(log.place(), Place::Paused { bottom: 4, since: 5 });
    log.scroll(-1);
    assert!(log.follows());
}

#[test]
fn a_search_finds_what_was_there_and_what_comes() {
    let mut log = log(100);
    draw(&mut log, 10);
    log.begin_search();
    log.look_for("SEVEN");
    assert_eq!(log.search().map(Search::count), Some(0));
    log.look_for("seven");
    let search = log.search().expect("a search");
    assert_eq!((search.count(), search.current(), search.rank()), (15, Some(98), Some(15)));
    assert!(!log.follows(), "what was found stays where it is");
    draw(&mut log, 10);
    assert!(log.next_match(false) && log.next_match(false));
    assert_eq!(log.search().and_then(Search::current), Some(84));
    for number in 100..120 {
        log.push(line(number));
    }
    assert_eq!(log.search().map(Search::count), Some(18));
    draw(&mut log, 10);
    assert!(log.seen().contains(&84), "{:?}", log.seen());
    log.keep_search();
    assert!(!log.is_typing());
    for _ in 0..5 {
        assert!(log.next_match(true));
    }
    assert!(!log.next_match(true), "there is none newer");
    log.set_filter(filtered(|filter| filter.least = Level::Error));
    assert_eq!(log.search().map(Search::count), Some(2), "0 and 70");
}

#[test]
fn a_search_that_is_given_up_leaves_the_log_as_it_was() {
    let mut log = log(100);
    draw(&mut log, 10);
    log.begin_search();
    log.look_for("line 2");
    draw(&mut log, 10);
    assert!(!log.follows());
    log.clear_search();
    assert!(log.follows() && log.search().is_none());
    log.begin_search();
    log.keep_search();
    assert!(log.search().is_none(), "no words, no search");
}

#[test]
fn the_line_that_is_marked_goes_with_the_oldest() {
    let mut log = log(100);
    log.mark(10);
    assert_eq!(log.marked(), Some(10));
    log.set_limit(Limit { lines: 50, bytes: usize::MAX });
    assert_eq!(log.marked(), None);
    log.mark(10);
    assert_eq!(log.marked(), None, "it is gone");
}

#[test]
fn loggers_words_say_how_much_a_line_matters() {
    for (text, level) in [
        ("2026-05-14 ERROR no answer", Level::Error),
        ("FATAL: the database system is starting up", Level::Error),
        ("[WARN] slow", Level::Warning),
        ("NOTICE:  relation exists, skipping", Level::Notice),
        ("an error of mine", Level::Info),
    ] {
        assert_eq!(level_of(text), level, "{text}");
    }
}
