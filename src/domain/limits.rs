//! The limits of a run, by the names and units of the contract.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a limit was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// No limit has this name.
    #[error("no limit is called `{0}`; the limits are {names}", names = LimitName::listing())]
    UnknownName(String),
    /// Not a number of the right kind, zero, or negative.
    #[error("the limit {name} cannot be `{value}`: it must be {kind} above zero")]
    BadValue {
        /// The limit.
        name: LimitName,
        /// What was given.
        value: String,
        /// What it must be.
        kind: &'static str,
    },
    /// Above the maximum in force.
    #[error("the limit {name} is {value}, but {max} is the maximum here")]
    AboveMaximum {
        /// The limit.
        name: LimitName,
        /// What was asked for, in the limit's unit.
        value: f64,
        /// The maximum, in the limit's unit.
        max: f64,
    },
}

/// A number that a limit may hold: how it is read from text, and what it is in `f64` for comparisons and messages.
trait LimitNumber: Copy {
    const KIND: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn to_f64(self) -> f64;
}

impl LimitNumber for f64 {
    const KIND: &'static str = "a number";
    fn read(text: &str) -> Option<Self> {
        text.parse::<Self>().ok().filter(|value| value.is_finite() && *value > 0.0)
    }
    fn to_f64(self) -> f64 {
        self
    }
}

impl LimitNumber for u64 {
    const KIND: &'static str = "a whole number";
    fn read(text: &str) -> Option<Self> {
        // Anything above 2^53 could not be told apart in JSON numbers of other languages; none of our limits needs it.
        text.parse::<Self>().ok().filter(|value| *value > 0 && *value <= 1 << 53)
    }
    fn to_f64(self) -> f64 {
        let high = u32::try_from(self >> 32).unwrap_or(u32::MAX);
        let low = u32::try_from(self & 0xffff_ffff).unwrap_or(u32::MAX);
        f64::from(high) * 4_294_967_296.0 + f64::from(low)
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, $variant:ident;)*) => {
        /// Every limit of a run. All are above zero.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Limits { $($(#[$doc])* pub $field: $type),* }

        impl Default for Limits {
            fn default() -> Self { Self { $($field: $default),* } }
        }

        /// Some limits: what a job asks for, or what a profile or a key allows at most.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct LimitsPatch {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>),*
        }

        /// The name of a limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum LimitName { $($(#[$doc])* $variant),* }

        impl LimitName {
            /// Every limit, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in claims, configuration and `--limit`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field)),* }
            }
        }

        impl LimitsPatch {
            /// Sets one limit from its decimal text.
            ///
            /// # Errors
            /// [`LimitError::BadValue`] for anything that is not a number of the limit's kind above zero.
            pub fn set(&mut self, name: LimitName, text: &str) -> Result<(), LimitError> {
                match name {
                    $(LimitName::$variant => {
                        let value = <$type as LimitNumber>::read(text).ok_or_else(|| LimitError::BadValue {
                            name, value: text.to_owned(), kind: <$type as LimitNumber>::KIND,
                        })?;
                        self.$field = Some(value);
                    })*
                }
                Ok(())
            }

            /// The first limit that is not above zero, as an error. Deserialised patches need this check.
            ///
            /// # Errors
            /// [`LimitError::BadValue`].
            pub fn check(&self) -> Result<(), LimitError> {
                $(if let Some(value) = self.$field {
                    let mut probe = Self::default();
                    probe.set(LimitName::$variant, &value.to_string())?;
                })*
                Ok(())
            }

            /// This patch with every limit that `over` sets replaced.
            #[must_use]
            pub fn overlaid(self, over: &Self) -> Self {
                Self { $($field: over.$field.or(self.$field)),* }
            }
        }

        impl Limits {
            /// These limits with every limit that `patch` sets replaced.
            #[must_use]
            pub fn overlaid(self, patch: &LimitsPatch) -> Self {
                Self { $($field: patch.$field.unwrap_or(self.$field)),* }
            }

            /// These limits, each of them set.
            #[must_use]
            pub const fn to_patch(self) -> LimitsPatch {
                LimitsPatch { $($field: Some(self.$field)),* }
            }

            /// Checks every limit against a maximum; a limit without a maximum is free.
            ///
            /// # Errors
            /// [`LimitError::AboveMaximum`] for the first limit above its maximum.
            pub fn check_within(&self, max: &LimitsPatch) -> Result<(), LimitError> {
                $(if let Some(most) = max.$field && self.$field > most {
                    return Err(LimitError::AboveMaximum {
                        name: LimitName::$variant, value: self.$field.to_f64(), max: most.to_f64(),
                    });
                })*
                Ok(())
            }
        }
    };
}

limits! {
    /// Wall clock time of a run, in seconds.
    wall_seconds: f64 = 10.0, WallSeconds;
    /// CPU time of the whole process tree, in seconds.
    cpu_seconds: f64 = 10.0, CpuSeconds;
    /// Memory of the whole sandbox, files in scratch folders included, in bytes. There is no swap beyond it.
    memory_bytes: u64 = 268_435_456, MemoryBytes;
    /// Processes and threads at once.
    processes: u64 = 50, Processes;
    /// CPUs, as a share of one.
    cpus: f64 = 0.5, Cpus;
    /// Bytes of stdout; one more ends the program.
    stdout_bytes: u64 = 1_048_576, StdoutBytes;
    /// Bytes of stderr; one more ends the program.
    stderr_bytes: u64 = 1_048_576, StderrBytes;
    /// Size of each scratch folder, in bytes.
    scratch_bytes: u64 = 67_108_864, ScratchBytes;
    /// Files in each scratch folder.
    scratch_files: u64 = 4_096, ScratchFiles;
    /// Size of one file, in bytes.
    file_bytes: u64 = 67_108_864, FileBytes;
    /// Open descriptors of one process.
    open_files: u64 = 256, OpenFiles;
}

impl Limits {
    /// The size of each scratch folder, in bytes.
    ///
    /// Files there are memory. A quarter of the memory is the most for each folder, so that a job that fills them meets
    /// "no space left" before the kernel has to kill.
    pub const fn scratch_bytes_in_force(&self) -> u64 {
        let quarter = self.memory_bytes / 4;
        if self.scratch_bytes < quarter { self.scratch_bytes } else { quarter }
    }
}

impl LimitName {
    /// The limit with this name.
    ///
    /// # Errors
    /// [`LimitError::UnknownName`], which lists the names there are.
    pub fn parse(name: &str) -> Result<Self, LimitError> {
        Self::ALL
            .iter()
            .copied()
            .find(|limit| limit.as_str() == name)
            .ok_or_else(|| LimitError::UnknownName(name.to_owned()))
    }

    fn listing() -> String {
        Self::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let json = serde_json::to_value(Limits::default()).unwrap();
        let expected = serde_json::json!({
            "wall_seconds": 10.0, "cpu_seconds": 10.0, "memory_bytes": 268_435_456, "processes": 50, "cpus": 0.5,
            "stdout_bytes": 1_048_576, "stderr_bytes": 1_048_576, "scratch_bytes": 67_108_864, "scratch_files": 4096,
            "file_bytes": 67_108_864, "open_files": 256,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn zero_negative_and_nonsense_are_refused_for_every_limit() {
        for name in LimitName::ALL {
            for text in ["0", "-1", "", "x", "NaN", "inf", "-0.0", "1e400"] {
                let refused = LimitsPatch::default().set(*name, text);
                assert!(matches!(refused, Err(LimitError::BadValue { .. })), "{name}={text}");
            }
        }
    }

    #[test]
    fn seconds_may_be_fractions_and_bytes_may_not() {
        let mut patch = LimitsPatch::default();
        patch.set(LimitName::WallSeconds, "0.25").unwrap();
        assert_eq!(patch.wall_seconds, Some(0.25));
        assert!(patch.set(LimitName::MemoryBytes, "1.5").is_err());
    }

    #[test]
    fn a_limit_above_its_maximum_is_named_and_never_clamped() {
        let mut max = LimitsPatch::default();
        max.set(LimitName::WallSeconds, "5").unwrap();
        let error = Limits::default().check_within(&max).unwrap_err();
        assert_eq!(error.to_string(), "the limit wall_seconds is 10, but 5 is the maximum here");
        assert!(Limits { wall_seconds: 5.0, ..Limits::default() }.check_within(&max).is_ok());
    }

    #[test]
    fn every_name_is_found_and_an_unknown_one_lists_them() {
        for name in LimitName::ALL {
            assert_eq!(LimitName::parse(name.as_str()).unwrap(), *name);
        }
        assert!(LimitName::parse("wall").unwrap_err().to_string().contains("wall_seconds"));
    }

    #[test]
    fn whole_numbers_become_floats_without_loss_up_to_2_to_the_53() {
        for value in [1_u64, 4_294_967_295, 4_294_967_296, 1 << 53] {
            assert_eq!(format!("{:.0}", value.to_f64()), value.to_string());
        }
    }
}
