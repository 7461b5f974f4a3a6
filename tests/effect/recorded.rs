//! Recorded inputs and outcomes of real scripts: `tests/fixtures/effect/`.

/// One record: what packages ship, their scripts, and what these made.
pub struct Record {
    pub shipped: Vec<(String, String)>,
    pub scripts: Vec<(String, String)>,
    pub made: Vec<(String, String)>,
}

impl Record {
    pub fn read(text: &str) -> Self {
        let mut record = Self { shipped: vec![], scripts: vec![], made: vec![] };
        let mut into = None;
        for line in text.split_inclusive('\n') {
            let mark = line.split_once(' ').map(|(mark, name)| (mark, name.trim_end().to_owned()));
            into = match mark {
                Some(("<<<", name)) => Some((0, name)),
                Some(("!!!", name)) => Some((1, name)),
                Some((">>>", name)) => Some((2, name)),
                _ => {
                    let list = match &into {
                        Some((0, _)) => &mut record.shipped,
                        Some((1, _)) => &mut record.scripts,
                        Some(_) => &mut record.made,
                        None => continue,
                    };
                    list.last_mut().unwrap().1.push_str(line);
                    continue;
                }
            };
            let (kind, name) = into.clone().unwrap();
            let list = match kind {
                0 => &mut record.shipped,
                1 => &mut record.scripts,
                _ => &mut record.made,
            };
            list.push((name, String::new()));
        }
        assert!(!record.made.is_empty(), "the record holds no outcome");
        record
    }
}
