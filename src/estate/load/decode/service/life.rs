//! When a service counts as up, its tasks, and how it is changed.

use crate::spec::{Log, Mistake, Node, Reader, Spanned};

use super::super::super::super::{Life, OnFailure, Reload, Restart, Stateful, Task, Text, Undo, Update, UpdateFailure};
use super::super::super::value::{Millis, Plain, Portion};
use super::super::image::{change, health, signal};
use super::{plain, spanned, spanned_property};

/// What holds where nothing is said.
pub(super) fn default() -> Life {
    Life {
        health: None,
        notify: None,
        on_failure: OnFailure::default(),
        stateful: None,
        restart: Restart::default(),
        restart_delay_ms: 5_000,
        stop_timeout_ms: 30_000,
        stop_signal: None,
        start_timeout_ms: None,
        reload: None,
        after: Vec::new(),
    }
}

/// What holds where nothing is said.
pub(super) fn default_update() -> Update {
    Update {
        rolling: true,
        max_unavailable: "1".to_owned(),
        canary: None,
        max_failed: "0".to_owned(),
        quorum: false,
        healthy_for_ms: 10_000,
        deadline_ms: 300_000,
        on_failure: UpdateFailure::default(),
        ready: Vec::new(),
        drain: Vec::new(),
        undrain: Vec::new(),
        span: None,
    }
}

/// Reads a node of these; false where it is about something else.
pub(super) fn read(life: &mut Life, node: &Node, log: &mut Log) -> bool {
    let mut reader = Reader::new(node, log);
    match node.name.value.as_str() {
        "health" => {
            let span = node.span;
            let on_failure = reader.property("on-failure");
            let check = change(&mut reader, health);
            life.health = check.map(|check| check.map(|check| Spanned::new(check, span)));
            life.on_failure = on_failure.unwrap_or_default();
        }
        "notify" => life.notify = spanned(&mut reader, "what says that it is up").pop(),
        "stateful" => life.stateful = Some(Stateful { one_way: reader.property("one-way").unwrap_or(false) }),
        "restart" => {
            life.restart = reader.argument("when").unwrap_or_default();
            life.restart_delay_ms = reader.property("delay").map_or(5_000, |Millis(millis)| millis);
        }
        "stop" => {
            life.stop_timeout_ms = reader.property("timeout").map_or(30_000, |Millis(millis)| millis);
            life.stop_signal = reader.property_value("signal").and_then(|value| signal(&mut reader, value));
        }
        "start-timeout" => {
            let time: Option<Spanned<Millis>> = spanned(&mut reader, "a time").pop();
            life.start_timeout_ms = time.map(|time| Spanned::new(time.value.0, time.span));
        }
        "reload" => {
            life.reload = match reader.property_value("signal") {
                Some(value) => signal(&mut reader, value).map(Reload::Signal),
                None => Some(Reload::Command(reader.arguments("a program, or signal=\"SIGHUP\""))),
            };
        }
        "after" => life.after.extend(spanned(&mut reader, "a service")),
        _ => return false,
    }
    reader.finish();
    true
}

/// The words of a child node that names a program.
fn words(reader: &mut Reader<'_, '_>, node: &Node) -> Vec<Text> {
    let mut inner = Reader::new(node, reader.log());
    let words = inner.arguments("a program");
    inner.finish();
    words
}

pub(super) fn task(reader: &mut Reader<'_, '_>) -> Option<Task> {
    let span = reader.span();
    let name: Option<Spanned<Plain>> = {
        let value = reader.value("a name");
        value.and_then(|value| Some(Spanned::new(reader.read(value)?, value.span)))
    };
    if let Some(name) = &name
        && crate::name::ServiceName::new(name.value.0.as_str()).is_err()
    {
        let mistake = Mistake::new("bad-value", name.span, format!("`{}` cannot name a task", name.value.0));
        reader.mistake(mistake.label("lower-case letters, digits and single `-`"));
    }
    let mut run: Vec<Text> = reader.property::<Text>("run").into_iter().collect();
    let (before, after) = (reader.property::<super::Start>("before"), reader.property::<super::Start>("after"));
    let when = super::when(reader, before.is_some(), after.is_some());
    let on = reader.property::<super::Events>("on").map(|events| events.0).unwrap_or_default();
    let undo_word = reader.property::<super::UndoWord>("undo");
    let mut task = Task {
        name: name?.value.0,
        run: Vec::new(),
        when,
        once_per: reader.property("once-per").unwrap_or_default(),
        on,
        phase: reader.property("phase"),
        undo: undo_word.map(|word| word.0).unwrap_or_default(),
        idempotent: reader.property("idempotent").unwrap_or(false),
        schedule: plain(reader, "schedule"),
        timeout_ms: reader.property("timeout").map_or(600_000, |Millis(millis)| millis),
        user: plain(reader, "user"),
        secrets: Default::default(),
        span,
    };
    for child in reader.children(&["run", "undo", "secret"]) {
        if *child.name == *"secret" {
            let mut inner = Reader::new(child, reader.log());
            task.secrets.extend(super::secret(&mut inner));
            inner.finish();
            continue;
        }
        let found = words(reader, child);
        match child.name.value.as_str() {
            "run" if run.is_empty() => run = found,
            "run" => {
                let mistake = Mistake::new("duplicate", child.span, "a task runs one program").label("a second one");
                reader.mistake(mistake.help("several are a shell's business: run \"sh\" \"-c\" \"…\""));
            }
            _ => task.undo = Undo::Run(found),
        }
    }
    if run.is_empty() {
        let mistake = Mistake::new("missing", span, format!("task `{}` runs nothing", task.name)).label("no `run`");
        reader.mistake(mistake.help("write run=\"program argument\", or a `run` node with a word for each"));
    }
    task.run = run;
    Some(task)
}

pub(super) fn update(reader: &mut Reader<'_, '_>) -> Update {
    let default = default_update();
    let time = |reader: &mut Reader<'_, '_>, name, default| {
        reader.property::<Millis>(name).map_or(default, |Millis(millis)| millis)
    };
    let portion = |reader: &mut Reader<'_, '_>, name, default: String| {
        reader.property::<Portion>(name).map_or(default, |Portion(text)| text)
    };
    let mut update = Update {
        rolling: reader.property::<super::Order>("order").is_none_or(|order| order.0),
        max_unavailable: portion(reader, "max-unavailable", default.max_unavailable),
        canary: reader.property("canary"),
        max_failed: portion(reader, "max-failed", default.max_failed),
        quorum: reader.property::<super::Quorum>("quorum").is_some(),
        healthy_for_ms: time(reader, "healthy-for", default.healthy_for_ms),
        deadline_ms: time(reader, "deadline", default.deadline_ms),
        on_failure: reader.property("on-failure").unwrap_or_default(),
        ready: Vec::new(),
        drain: Vec::new(),
        undrain: Vec::new(),
        span: Some(reader.span()),
    };
    for child in reader.children(&["ready", "drain", "undrain"]) {
        let found = words(reader, child);
        match child.name.value.as_str() {
            "ready" => update.ready = found,
            "drain" => update.drain = found,
            _ => update.undrain = found,
        }
    }
    spanned_property::<Plain>(reader, "reason");
    update
}
