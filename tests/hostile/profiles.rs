//! The profiles of the suite: those that are built in or shipped, and one for shell scripts. Their times are multiplied;
//! no other limit and no wall is touched.

use std::fmt::Write as _;

use toml::{Table, Value};

/// The image that most programs run in.
pub(super) const SANDBOX_IMAGE: &str = "tester-sandbox";

/// What the built-in profiles allow at most, for a profile that has none.
const MAXIMA: &str = "cpus = 2\nmemory_bytes = 1073741824\nprocesses = 256\nscratch_files = 65536\n";

/// Tables of a worker's configuration.
#[derive(Debug)]
pub(super) struct Profiles {
    scale: f64,
    text: String,
}

impl Profiles {
    /// All but those whose image a test has to make.
    pub(super) fn new(scale: f64) -> Self {
        let mut profiles = Self { scale, text: String::new() };
        for built_in in ["python", "pytest"] {
            profiles.times(built_in, "limits", 10.0);
            profiles.times(built_in, "limits_max", 60.0);
        }
        profiles.shell("shell", SANDBOX_IMAGE);
        profiles.c();
        profiles
    }

    /// One that runs shell scripts in an image.
    pub(super) fn shell(&mut self, name: &str, image: &str) {
        let argv = r#"["/bin/sh", "{entry}"]"#;
        writeln!(self.text, "[profiles.{name}]\nimage = {image:?}\nentry = \"main.sh\"\nargv = {argv}\nwarm = 0")
            .expect("a text");
        self.times(name, "limits", 10.0);
        self.times(name, "limits_max", 60.0);
        self.text.push_str(MAXIMA);
    }

    /// The one for C, as it is shipped.
    fn c(&mut self) {
        let shipped: Table = toml::from_str(include_str!("../../examples/profiles/c-and-cpp.toml")).expect("TOML");
        let mut c = shipped["profiles"]["c"].as_table().expect("a table").clone();
        c.insert("warm".to_owned(), Value::Integer(0));
        for limits in ["limits", "limits_max", "compile_limits"] {
            let limits = c.entry(limits).or_insert_with(|| Value::Table(Table::new()));
            let limits = limits.as_table_mut().expect("a table");
            for name in ["wall_seconds", "cpu_seconds"] {
                let shipped = limits
                    .get(name)
                    .and_then(Value::as_integer)
                    .map_or(10.0, |seconds| f64::from(u16::try_from(seconds).expect("some seconds")));
                limits.insert(name.to_owned(), Value::Float(shipped * self.scale));
            }
        }
        let tables = Table::from_iter([(
            "profiles".to_owned(),
            Value::Table(Table::from_iter([("c".to_owned(), Value::Table(c))])),
        )]);
        self.text.push_str(&toml::to_string(&tables).expect("TOML"));
    }

    fn times(&mut self, profile: &str, table: &str, seconds: f64) {
        let seconds = seconds * self.scale;
        writeln!(self.text, "[profiles.{profile}.{table}]\nwall_seconds = {seconds:.1}\ncpu_seconds = {seconds:.1}")
            .expect("a text");
    }

    /// What goes into the configuration file.
    pub(super) fn configuration(self) -> String {
        self.text
    }
}
