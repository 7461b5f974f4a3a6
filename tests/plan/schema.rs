//! Documents are what their schemas say, beside a validator from PyPI.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharf::apply::{Event, Phase};
use wharf::name::HostName;

use super::applied::Small;
use crate::config::{ask, python};

/// What a validator says of documents, one list each.
fn mistakes(schema: &str, documents: &[Value]) -> Option<Vec<Vec<String>>> {
    let python = python()?;
    let schema: Value = serde_json::from_str(schema).unwrap();
    let said = ask(&python, "tests/plan/schema.py", &json!({"schema": schema, "documents": documents}));
    Some(serde_json::from_value(said).unwrap())
}

const PLAN: &str = include_str!("../../docs/schema/plan.schema.json");
const EVENT: &str = include_str!("../../docs/schema/event.schema.json");

#[test]
fn plans_are_what_their_schema_says() {
    let small = Small::new();
    let facts = small.applied();
    let mut plans: Vec<Value> = Vec::new();
    let mut plan = |facts: &BTreeMap<_, _>, words: &[&str]| {
        plans.push(serde_json::from_slice(&small.run(facts, &[&["--json"], words].concat()).stdout).unwrap());
    };
    plan(&facts, &["plan"]);
    plan(&facts, &["stop", "--limit", "store"]);
    plan(&facts, &["destroy", "--with-volumes"]);
    plan(&BTreeMap::new(), &["plan"]);
    let mut odd = facts.clone();
    let a = odd.get_mut("a").unwrap();
    a.units.clear();
    a.files.retain(|path, _| !path.contains("store"));
    a.images.clear();
    plan(&odd, &["plan", "--diff"]);
    let bare = facts.keys().map(|name| (name.clone(), super::applied::having(Default::default()))).collect();
    plan(&bare, &["plan", "--diff"]);
    let remembers = wharf::host::Remembered { plan: "p".to_owned(), when: "2026-01-01T00:00:00Z".to_owned() };
    let mut gone = facts.clone();
    let a = gone.get_mut("a").unwrap();
    a.estate = Some("small".to_owned());
    a.hosts.insert(HostName::new("c").unwrap(), remembers);
    plan(&gone, &["plan"]);
    assert_eq!(plans.last().unwrap()["vanished"][0]["host"], "c");
    let Some(found) = mistakes(PLAN, &plans) else { return };
    assert_eq!(found, vec![Vec::<String>::new(); plans.len()]);
    // A schema that says yes to everything says nothing.
    plans[0]["hosts"]["a"]["changes"] = json!([{"object": "x", "class": "other", "reasons": [], "wave": 1}]);
    plans[0]["more"] = json!(1);
    assert_eq!(mistakes(PLAN, &plans[..1]).unwrap()[0].len(), 2);
}

#[test]
fn events_are_what_their_schema_says() {
    let host = || HostName::new("a").unwrap();
    let phases = [
        Phase::Lease,
        Phase::Pull,
        Phase::Stage,
        Phase::Grant,
        Phase::Activate,
        Phase::Confirm,
        Phase::Undo,
        Phase::Release,
    ];
    let text = || "x".to_owned();
    let mut events = vec![
        Event::Wave { wave: 1, of: 2, hosts: vec![host()] },
        Event::Step { host: host(), says: text() },
        Event::Journal { host: host(), unit: text(), lines: text() },
        Event::Undone { host: host() },
    ];
    for phase in phases {
        events.push(Event::Begin { host: host(), phase });
        events.push(Event::End { host: host(), phase });
        events.push(Event::Failed { host: host(), phase, why: text() });
    }
    let mut events: Vec<Value> = events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    let Some(found) = mistakes(EVENT, &events) else { return };
    assert_eq!(found, vec![Vec::<String>::new(); events.len()]);
    events[0]["wave"] = json!("one");
    assert_eq!(mistakes(EVENT, &events[..1]).unwrap()[0].len(), 1);
}
