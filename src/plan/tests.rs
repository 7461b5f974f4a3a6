//! Waves and gates, from facts that are made up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::json;

use super::{Aim, Content, Facts, Known, Memory, Plan, Purpose, Wave, content, plan, stopped};
use crate::config::File;
use crate::desired::{Ground, Vault, desired};
use crate::estate::Project;
use crate::host::{FileSeen, Generation, Header, Remembered, Step, TaskRecord, UnitSeen};
use crate::name::{EstateName, HostName, SecretName, ServiceName};
use crate::release::Release;

struct NoVault;

impl Vault for NoVault {
    fn object(&self, _: &SecretName) -> Option<String> {
        None
    }

    fn object_of(&self, _: &str, _: &File) -> Result<String, String> {
        Err("there are no secrets".to_owned())
    }

    fn names(&self) -> Vec<SecretName> {
        Vec::new()
    }
}

const SPECS: &str = r#"
import "catalogue"
image "app" {
    build-for distro="debian-trixie"
    health "true"
}
service "db" {
    image "app"
    role "control"
    provides "rows" port=3306
    env WORD="DB-WORD"
    task "begin" before="start" once-per="cloud" on="bootstrap" run="begin"
    update quorum="majority" healthy-for="7s" deadline="310s" on-failure="continue" max-failed=2 { ready "db-ready" }
}
service "queue" {
    image "app"
    role "control"
    update quorum="majority" { ready "queue-ready" }
}
service "api" {
    image "app"
    role "api"
    needs "rows" as="rows"
    env WORD="API-WORD"
    task "schema" before="start" once-per="cloud" on="bootstrap" idempotent=#true run="schema"
    task "seed" after="start" once-per="cloud" on="bootstrap" idempotent=#true run="seed"
    task "folder" before="start" once-per="host" on="bootstrap" run="folder"
    UPDATE
}
"#;

const ESTATE: &str = r#"
estate "small" {
    distro "debian-trixie"
    host "a" address="10.0.0.1" { role "control" "api" }
    host "b" address="10.0.0.2" { role "control" "api" }
    host "c" address="10.0.0.3" { role "control" "api" }
    host "d" address="10.0.0.4" { role "api" }
    host "e" address="10.0.0.5" { role "api" }
}
"#;

/// A project, and what its hosts shall have.
struct Scene {
    project: Project,
    release: Release,
    wanted: BTreeMap<HostName, Content>,
}

impl Scene {
    /// With an `update` of api, and with other words for the settings and images that change.
    fn new(update: &str, words: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let replaced = |text: &str| words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        write("specs/services.kdl", &replaced(&SPECS.replace("UPDATE", update)));
        write("targets/small.kdl", &replaced(ESTATE));
        let project = crate::estate::load(folder.path()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let digest = replaced("IMAGE").replace("IMAGE", "0").repeat(64);
        let release = format!("image \"app\" distro=\"debian-trixie\" arch=\"x86_64\" manifest=\"sha256:{digest}\"\n");
        let release = Release::read("releases/current.kdl", &release).unwrap();
        let mut scene = Self { project, release, wanted: BTreeMap::new() };
        let estate = scene.ground().estate;
        let found = desired(scene.ground(), estate.hosts.keys()).unwrap();
        scene.wanted = found.hosts.iter().map(|(name, host)| (name.clone(), content(host))).collect();
        scene
    }

    fn ground(&self) -> Ground<'_> {
        let name = EstateName::new("small").unwrap();
        let (estate, placed) = (&self.project.estates[&name], &self.project.placed[&name]);
        Ground { project: &self.project, estate, placed, release: &self.release, vault: &NoVault }
    }

    fn plan(&self, known: &Known) -> Plan {
        plan(self.ground(), &self.wanted, known, &Aim::of(Purpose::Forward))
    }

    /// Hosts that have nothing.
    fn bare(&self) -> Known {
        self.wanted.keys().map(|name| (name.clone(), Ok(facts()))).collect()
    }

    /// Hosts that have all of it, and it is up.
    fn up(&self) -> Known {
        self.wanted.iter().map(|(name, content)| (name.clone(), Ok(having(content)))).collect()
    }
}

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn facts() -> Facts {
    serde_json::from_value(json!({"os": "debian 13", "arch": "x86_64", "podman": "5.4.2"})).unwrap()
}

fn having(content: &Content) -> Facts {
    let header = Header {
        estate: EstateName::new("small").unwrap(),
        plan: "0".to_owned(),
        commit: None,
        who: "who".to_owned(),
        when: "when".to_owned(),
        why: None,
        wharf: "0".to_owned(),
    };
    let seen = content.files.iter().map(|(path, file)| {
        let seen = FileSeen { sha256: Some(file.sha256), mode: file.mode.into(), uid: file.uid, gid: file.gid };
        (path.clone(), seen)
    });
    let units = content.meanings.values().map(|meaning| {
        let up = UnitSeen { active: "active".to_owned(), ..UnitSeen::default() };
        (meaning.unit().service().to_string(), up)
    });
    Facts {
        current: 1,
        files: seen.collect(),
        units: units.collect(),
        images: content.images.keys().cloned().collect(),
        secrets: content.secrets.keys().cloned().collect(),
        generation: Some(Generation::new(1, header, content.clone())),
        ..facts()
    }
}

fn known<'a>(known: &'a mut Known, name: &str) -> &'a mut Facts {
    known.get_mut(&host(name)).unwrap().as_mut().unwrap()
}

/// The hosts on which a group changes, wave by wave.
fn order(plan: &Plan, group: &str) -> Vec<String> {
    let on = |wave: &Wave| {
        let hosts = wave.hosts.iter().filter(|(_, batch)| batch.groups.iter().any(|name| name.as_str() == group));
        hosts.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    plan.waves.iter().map(on).filter(|hosts| !hosts.is_empty()).collect()
}

/// The tasks of a plan and where they are run, in order.
fn tasks(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for (name, batch) in plan.waves.iter().flat_map(|wave| &wave.hosts) {
        found.extend(batch.steps.iter().filter_map(|step| match step {
            Step::Task { record, .. } => Some(format!("{record} on {name}")),
            _ => None,
        }));
    }
    found
}

const WORD: &[(&str, &str)] = &[("API-WORD", "other")];

/// The waves of a change of api's settings.
fn rolled(update: &str) -> Vec<String> {
    order(&Scene::new(update, WORD).plan(&Scene::new(update, &[]).up()), "api")
}

#[test]
fn nothing_changes_where_all_is_as_wanted() {
    let scene = Scene::new("", &[]);
    assert!(scene.plan(&scene.up()).is_empty());
}

#[test]
fn so_many_change_at_once_as_may_be_down() {
    assert_eq!(rolled(""), ["a", "b", "c", "d", "e"]);
    assert_eq!(rolled("update max-unavailable=2"), ["a b", "c d", "e"]);
    assert_eq!(rolled("update max-unavailable=\"40%\""), ["a b", "c d", "e"]);
    assert_eq!(rolled("update max-unavailable=\"1%\""), ["a", "b", "c", "d", "e"]);
    assert_eq!(rolled("update order=\"together\""), ["a b c d e"]);
}

#[test]
fn who_is_away_is_down_already_and_who_is_down_comes_up_first() {
    let update = "update max-unavailable=2";
    let mut hosts = Scene::new(update, &[]).up();
    hosts.insert(host("a"), Err("no route".to_owned()));
    assert_eq!(order(&Scene::new(update, WORD).plan(&hosts), "api"), ["b", "c", "d", "e"]);
    let scene = Scene::new("", &[]);
    let mut hosts = scene.up();
    known(&mut hosts, "c").units.get_mut("api.service").unwrap().active = "failed".to_owned();
    assert_eq!(order(&scene.plan(&hosts), "api"), ["c"]);
}

#[test]
fn a_canary_goes_first_and_is_no_failure_that_may_be() {
    let update = "update max-unavailable=3 canary=1 max-failed=2";
    assert_eq!(rolled(update), ["a", "b c d", "e"]);
    let plan = Scene::new(update, WORD).plan(&Scene::new(update, &[]).up());
    let may: Vec<usize> = plan.waves.iter().map(|wave| wave.max_failed.values().copied().sum()).collect();
    assert_eq!(may, [0, 2, 2]);
}

#[test]
fn failures_are_counted_by_group_and_never_forgiven_to_a_quorum() {
    let both = &[("API-WORD", "other"), ("DB-WORD", "other")];
    let may = |update: &str| {
        let plan = Scene::new(update, both).plan(&Scene::new(update, &[]).up());
        let all: BTreeSet<(String, usize)> =
            plan.waves.iter().flat_map(|wave| &wave.max_failed).map(|(name, may)| (name.to_string(), *may)).collect();
        all.into_iter().map(|(name, may)| format!("{name} {may}")).collect::<Vec<_>>()
    };
    assert_eq!(may(""), [""; 0]);
    assert_eq!(may("update max-failed=\"40%\""), ["api 2"]);
    assert_eq!(may("update on-failure=\"continue\""), ["api 5"]);
}

#[test]
fn only_the_hosts_of_a_group_that_says_so_go_back_at_once() {
    let both = &[("API-WORD", "other"), ("DB-WORD", "other")];
    let update = "update on-failure=\"rollback\"";
    let plan = Scene::new(update, both).plan(&Scene::new(update, &[]).up());
    for batch in plan.waves.iter().flat_map(|wave| wave.hosts.values()) {
        assert_eq!(batch.rollback, batch.groups.iter().any(|group| group.as_str() == "api"));
    }
}

#[test]
fn a_gate_has_the_times_of_its_services_and_the_check_of_a_quorum_follows() {
    let words = &[("DB-WORD", "other")];
    let plan = Scene::new("", words).plan(&Scene::new("", &[]).up());
    assert_eq!(order(&plan, "db"), ["a", "b", "c"]);
    for batch in plan.waves.iter().flat_map(|wave| wave.hosts.values()) {
        let steps: Vec<String> = batch.steps.iter().map(ToString::to_string).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        // Its 310 s, and what it may take to end before it starts anew.
        let all = ["switch", "deadline 370 7", "restart 370 db.service", "gate 370 7 db", "ready 370 'db' 'db-ready'"];
        assert_eq!(steps[..5], all);
        // All of that together, the switch, and a margin in which the target comes up, whose units are up already.
        assert_eq!(batch.back, Some(10 + 370 + 60));
        let undo: Vec<String> = batch.undo.iter().map(ToString::to_string).collect();
        assert_eq!(undo, ["switch", "deadline 370 0", "restart 370 db.service"]);
    }
}

#[test]
fn a_stop_may_take_what_the_units_themselves_may() {
    let stops = |words: &[(&str, &str)]| {
        let scene = Scene::new("", words);
        let known = scene.up();
        let wanted = known.iter().map(|(name, facts)| {
            let applied = &facts.as_ref().unwrap().generation.as_ref().unwrap().content;
            (name.clone(), stopped(applied, Some(&[ServiceName::new("db").unwrap()].into())))
        });
        let plan = plan(scene.ground(), &wanted.collect(), &known, &Aim::of(Purpose::Stop));
        let batches = plan.waves.iter().flat_map(|wave| wave.hosts.get(&host("a")));
        let steps = batches.map(|batch| (batch.steps[0].clone(), batch.back));
        steps.filter(|(step, _)| step.to_string().ends_with("db.service")).collect::<Vec<_>>()
    };
    // A process has 30 s unless its spec says otherwise, and podman 30 s to tell how it ended.
    let step = |seconds| Step::Stop { seconds, units: vec!["db.service".to_owned()] };
    assert_eq!(stops(&[]), [(step(60), Some(60 + 10 + 10 + 60))]);
    // No host takes a stop back while it is still under way.
    let long = &[("provides \"rows\"", "stop timeout=\"15m\"\n    provides \"rows\"")];
    assert_eq!(stops(long), [(step(930), Some(930 + 10 + 10 + 60))]);
    // What an update started, its way back stops.
    let scene = Scene::new("", long);
    let plan = scene.plan(&scene.bare());
    let undo = plan.waves.iter().filter_map(|wave| wave.hosts.get(&host("a"))).flat_map(|batch| &batch.undo);
    let stops: Vec<&Step> = undo.filter(|step| step.to_string().starts_with("stop ")).collect();
    let both = Step::Stop { seconds: 930 + 60, units: vec!["db.service".to_owned(), "queue.service".to_owned()] };
    assert!(stops.contains(&&both), "{stops:?}");
}

#[test]
fn a_cluster_begins_with_one_where_a_task_begins_it_and_with_all_where_none_does() {
    let scene = Scene::new("", &[]);
    let plan = scene.plan(&scene.bare());
    assert_eq!(order(&plan, "db"), ["a", "b", "c"]);
    assert_eq!(order(&plan, "queue"), ["a b c"]);
    // One that is there already is joined one at a time.
    let mut hosts = scene.bare();
    hosts.insert(host("b"), Ok(having(&scene.wanted[&host("b")])));
    assert_eq!(order(&scene.plan(&hosts), "queue"), ["a", "c"]);
}

#[test]
fn what_would_cost_a_cluster_its_majority_waits_and_the_rest_does_not() {
    let words = &[("DB-WORD", "other"), ("API-WORD", "other")];
    let scene = Scene::new("", words);
    let mut hosts = Scene::new("", &[]).up();
    hosts.insert(host("c"), Err("no route".to_owned()));
    let plan = scene.plan(&hosts);
    assert_eq!(order(&plan, "db"), [""; 0]);
    assert_eq!(order(&plan, "api"), ["a", "b", "d", "e"]);
    let waits: Vec<&str> = plan.hosts[&host("a")].waits.keys().map(|name| name.as_str()).collect();
    assert_eq!(waits, ["db"]);
    let why = plan.hosts[&host("a")].waits.values().next().unwrap();
    assert_eq!(why, "one more of its 3 members down would cost it its majority: c cannot be counted on");
    // What waits is not taken for done.
    let last: Vec<bool> =
        plan.waves.iter().filter_map(|wave| wave.hosts.get(&host("a"))).map(|batch| batch.last).collect();
    assert_eq!(last, [false]);
    let change = plan.hosts[&host("a")].changes.iter().find(|change| change.object == "db.container").unwrap();
    assert_eq!(change.wave, 0);
    // One that starts costs nothing.
    let mut hosts = scene.up();
    hosts.insert(host("c"), Err("no route".to_owned()));
    known(&mut hosts, "a").units.get_mut("db.service").unwrap().active = "failed".to_owned();
    assert_eq!(order(&scene.plan(&hosts), "db"), ["a"]);
    // Somebody's maintenance is the same as a host that is down.
    let mut scene = Scene::new("", words);
    let estate = EstateName::new("small").unwrap();
    let c = scene.project.estates.get_mut(&estate).unwrap().hosts.get_mut(&host("c")).unwrap();
    c.maintenance = Some("disk".to_owned());
    let plan = scene.plan(&Scene::new("", &[]).up());
    assert_eq!(order(&plan, "db"), [""; 0]);
}

#[test]
fn a_task_of_a_cloud_is_run_by_one_host_and_that_of_a_host_by_each() {
    let scene = Scene::new("update max-unavailable=5", &[]);
    let expected = [
        "db.begin on a",
        "api.folder on a",
        "api.schema on a",
        "api.folder on b",
        "api.seed on b",
        "api.folder on c",
        "api.folder on d",
        "api.folder on e",
    ];
    let found = tasks(&scene.plan(&scene.bare()));
    assert_eq!(found.iter().collect::<BTreeSet<_>>(), expected.map(str::to_owned).iter().collect());
    assert_eq!(found.len(), expected.len());
    // A host that is new to the group has its own to run, and none of the cloud's.
    let mut hosts = scene.up();
    hosts.insert(host("e"), Ok(facts()));
    assert_eq!(tasks(&scene.plan(&hosts)), ["api.folder on e"]);
}

/// Adds a record of a task.
fn record(facts: &mut Facts, task: &str, state: &str) {
    let record = TaskRecord { state: state.to_owned(), identity: "bootstrap".to_owned() };
    facts.tasks.insert(task.to_owned(), record);
}

#[test]
fn a_task_that_was_due_is_run_by_the_next_plan_even_where_nothing_changes() {
    let scene = Scene::new("", &[]);
    for state in ["due", "elsewhere", "running", "failed"] {
        let mut hosts = scene.up();
        record(known(&mut hosts, "c"), "api.seed", state);
        assert_eq!(tasks(&scene.plan(&hosts)), ["api.seed on a"], "{state}");
        // Whoever would have had it is gone: another one has it.
        hosts.insert(host("a"), Err("no route".to_owned()));
        assert_eq!(tasks(&scene.plan(&hosts)), ["api.seed on b"], "{state}");
        // Beside a change it goes with it.
        let changed = Scene::new("", WORD);
        let plan = changed.plan(&hosts);
        assert_eq!(order(&plan, "api"), ["b", "c", "d", "e"]);
        assert_eq!(tasks(&plan), ["api.seed on e"], "{state}");
    }
    let mut hosts = scene.up();
    record(known(&mut hosts, "c"), "api.seed", "due");
    record(known(&mut hosts, "d"), "api.seed", "done");
    assert!(scene.plan(&hosts).is_empty());
}

#[test]
fn a_task_that_was_done_anywhere_is_done_and_one_that_failed_may_be_run_again() {
    let scene = Scene::new("", &[]);
    let mut hosts = scene.bare();
    record(known(&mut hosts, "c"), "db.begin", "done");
    assert!(!tasks(&scene.plan(&hosts)).iter().any(|task| task.starts_with("db.begin")));
    let again = |state: &str| {
        let mut hosts = scene.bare();
        record(known(&mut hosts, "c"), "db.begin", state);
        let plan = scene.plan(&hosts);
        let steps = plan.waves.iter().flat_map(|wave| wave.hosts.values()).flat_map(|batch| batch.steps.clone());
        let found = steps.filter_map(|step| match step {
            Step::Task { record, idempotent, .. } if record == "db.begin" => Some(idempotent),
            _ => None,
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(again("failed"), [true]);
    // Nobody knows how it ended: the host that is asked to run it says so.
    assert_eq!(again("running"), [false]);
    assert_eq!(again("elsewhere"), [false]);
}

#[test]
fn another_image_is_rolled_with_the_rest() {
    let other = &[("IMAGE", "1")];
    let plan = Scene::new("", other).plan(&Scene::new("", &[]).up());
    assert_eq!(order(&plan, "db"), ["a", "b", "c"]);
    assert_eq!(order(&plan, "queue"), ["a", "b", "c"]);
    assert_eq!(order(&plan, "api"), ["a", "b", "c", "d", "e"]);
    assert_eq!(tasks(&plan), [""; 0]);
}

#[test]
fn what_hosts_have_after_an_apply_is_remembered_where_it_is_known() {
    let scene = Scene::new("", &[("\"10.0.0.5\" {", "\"10.0.0.5\" { leave; maintenance \"gone\";")]);
    let mut hosts = scene.up();
    // b has nothing; c is touched, and nobody knows how that ended; nobody hears d; e was given up.
    hosts.insert(host("b"), Ok(facts()));
    hosts.insert(host("d"), Err("no route".to_owned()));
    let names = |names: &[&str]| names.iter().map(|name| host(name)).collect::<BTreeSet<_>>();
    let c = host("c");
    let of = |touched: &BTreeSet<&HostName>, done: &[&str]| {
        let memory = Memory::of(scene.ground().estate, &scene.wanted, &hosts, (touched, &names(done)));
        (memory.there, memory.gone)
    };
    assert_eq!(of(&[&c].into(), &[]), (names(&["a"]), names(&["b", "e"])));
    assert_eq!(of(&[&c].into(), &["b", "c"]), (names(&["a", "b", "c"]), names(&["e"])));
    // Who knows all that already is not told.
    let memory = Memory { there: names(&["a", "b"]), gone: names(&["e"]) };
    let remembered = |names: &[&str]| {
        let since = Remembered { plan: "p".to_owned(), when: "w".to_owned() };
        names.iter().map(|name| (host(name), since.clone())).collect::<BTreeMap<_, _>>()
    };
    assert!(!memory.is_news(&remembered(&["a", "b"])) && !memory.is_news(&remembered(&["a", "b", "x"])));
    assert!(memory.is_news(&remembered(&["a"])) && memory.is_news(&remembered(&["a", "b", "e"])));
}
