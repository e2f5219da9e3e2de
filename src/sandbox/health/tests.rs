//! What each failure does to readiness, and to the gate.

use super::*;
use crate::ports::conditions::State;

fn state(conditions: &Conditions, part: Part) -> State {
    conditions.snapshot().into_iter().find(|(found, _)| *found == part).unwrap().1
}

fn timeout() -> DockerError {
    DockerError::Timeout { host: "unix:///x".to_owned(), attempt: "create a sandbox", seconds: 1 }
}

#[test]
fn ready_only_when_every_profile_is_warm() {
    let conditions = Conditions::default();
    let names = ["a".to_owned(), "b".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    health.walls_held("a");
    health.filled("a", true);
    assert!(matches!(state(&conditions, Part::Pool), State::NotReady(_)));
    health.walls_held("b");
    health.filled("b", true);
    for part in [Part::Docker, Part::Image, Part::Walls, Part::Pool] {
        assert_eq!(state(&conditions, part), State::Ready);
    }
    assert!(*health.usable().borrow());
}

#[test]
fn a_pool_that_is_being_used_up_and_refilled_stays_ready() {
    let conditions = Conditions::default();
    let names = ["a".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    health.filled("a", true);
    health.filled("a", false);
    assert_eq!(state(&conditions, Part::Pool), State::Ready);
}

#[test]
fn an_outage_closes_the_gate_and_the_first_success_opens_it() {
    let conditions = Conditions::default();
    let names = ["a".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    health.walls_held("a");
    health.filled("a", true);
    health.failed("a", &timeout());
    assert!(!*health.usable().borrow());
    assert!(matches!(state(&conditions, Part::Docker), State::NotReady(_)));
    health.filled("a", true);
    assert!(*health.usable().borrow());
}

#[test]
fn a_missing_image_is_not_an_outage_and_says_how_to_build_it() {
    let conditions = Conditions::default();
    let names = ["a".to_owned(), "b".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    health.walls_held("a");
    health.filled("a", true);
    health.failed("b", &DockerError::ImageNotFound { image: "tester-sandbox".to_owned() });
    assert!(*health.usable().borrow());
    let State::NotReady(reason) = state(&conditions, Part::Image) else { panic!("ready") };
    assert!(reason.starts_with("Image tester-sandbox not found") && reason.contains("docker build"), "{reason}");
}

fn fallen() -> DockerError {
    DockerError::Wall { wall: "network", seen: "there is the device eth0".to_owned(), mend: "mend it" }
}

#[test]
fn no_job_is_taken_before_every_profiles_walls_held() {
    let conditions = Conditions::default();
    let names = ["a".to_owned(), "b".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    health.walls_held("a");
    health.filled("a", true);
    assert!(!*health.usable().borrow(), "nobody has attacked those of `b`");
    let State::NotReady(reason) = state(&conditions, Part::Walls) else { panic!("ready") };
    assert!(reason.contains("`b` have not been attacked"), "{reason}");
    health.walls_held("b");
    assert!(*health.usable().borrow());
    assert_eq!(state(&conditions, Part::Walls), State::Ready);
}

#[test]
fn a_wall_that_falls_closes_the_gate_and_is_named_with_what_to_do_and_holding_again_opens_it() {
    let conditions = Conditions::default();
    let names = ["a".to_owned(), "b".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    for name in ["a", "b"] {
        health.walls_held(name);
        health.filled(name, true);
    }
    health.failed("b", &fallen());
    assert!(!*health.usable().borrow());
    let State::NotReady(reason) = state(&conditions, Part::Walls) else { panic!("ready") };
    for part in ["`b`", "`network`", "eth0", "mend it"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(state(&conditions, Part::Docker), State::Ready);
    assert!(matches!(state(&conditions, Part::Pool), State::NotReady(_)));
    health.walls_held("b");
    assert!(*health.usable().borrow());
}

#[test]
fn a_wall_that_fell_is_told_although_nothing_else_was_heard() {
    let conditions = Conditions::default();
    let names = ["a".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 1);
    health.failed("a", &fallen());
    assert!(!*health.usable().borrow());
    assert_eq!(state(&conditions, Part::Docker), State::Ready, "it answered");
    assert!(matches!(state(&conditions, Part::Walls), State::NotReady(_)));
}

fn refused() -> DockerError {
    DockerError::Refused { attempt: "create a sandbox", status: 500, message: "no space left on device".to_owned() }
}

#[test]
fn where_no_profile_can_make_sandboxes_no_job_is_taken_and_where_one_can_jobs_are() {
    let conditions = Conditions::default();
    let names = ["a".to_owned(), "b".to_owned(), "idle".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, name != "idle")), 1);
    for name in &names {
        health.walls_held(name);
        health.filled(name, true);
    }
    health.failed("a", &refused());
    assert!(*health.usable().borrow(), "`b` has sandboxes");
    let State::NotReady(reason) = state(&conditions, Part::Pool) else { panic!("ready") };
    assert!(reason.contains("`a`") && reason.contains("no space left on device"), "{reason}");
    health.failed("b", &refused());
    assert!(!*health.usable().borrow(), "`idle` has shown nothing");
    health.made("idle");
    assert!(*health.usable().borrow(), "now it has");
    health.failed("b", &refused());
    assert!(*health.usable().borrow(), "a failure that goes on says nothing new");
    health.filled("b", true);
    health.failed("b", &refused());
    assert!(!*health.usable().borrow(), "one that begins does");
    health.failed("a", &DockerError::ImageNotFound { image: "x".to_owned() });
    health.failed("b", &DockerError::ImageNotFound { image: "x".to_owned() });
    assert!(*health.usable().borrow(), "the image of `idle` is there, and Docker works");
    health.failed("idle", &DockerError::ImageNotFound { image: "x".to_owned() });
    assert!(!*health.usable().borrow());
    health.filled("a", true);
    assert!(*health.usable().borrow());
}

#[test]
fn as_many_containers_that_stay_as_there_are_slots_close_the_gate() {
    let conditions = Conditions::default();
    let names = ["a".to_owned()];
    let health = Health::new(&conditions, names.iter().map(|name| (name, true)), 2);
    health.walls_held("a");
    health.filled("a", true);
    for _ in 0..2 {
        health.stuck("c-1", Some("device busy".to_owned()));
    }
    assert!(*health.usable().borrow(), "one of two");
    health.stuck("c-2", Some("device busy".to_owned()));
    assert!(!*health.usable().borrow());
    let State::NotReady(reason) = state(&conditions, Part::Docker) else { panic!("ready") };
    assert!(reason.contains("2 sandboxes") && reason.contains("`c-1`") && reason.contains("device busy"), "{reason}");
    health.stuck("c-1", None);
    assert!(*health.usable().borrow());
    assert_eq!(state(&conditions, Part::Docker), State::Ready);
}
