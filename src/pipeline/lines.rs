//! Jobs that wait for a slot: one line a class, served by weight, with a cap of running jobs an issuer.

use std::collections::{BTreeMap, VecDeque};

/// Lines of waiting items, one a class.
///
/// Classes are served by smooth weighted round robin: over time each gets its share of the slots as long as it has
/// something waiting, and no class waits long because another is full.
#[derive(Debug)]
pub(super) struct Lines<T> {
    lines: BTreeMap<String, Line<T>>,
}

#[derive(Debug)]
struct Line<T> {
    weight: i64,
    /// How much this class is owed. Every pick adds each waiting class its weight and takes their sum off the winner.
    owed: i64,
    waiting: VecDeque<T>,
}

impl<T> Lines<T> {
    /// Lines for these classes and their weights.
    pub(super) fn new(classes: impl IntoIterator<Item = (String, u32)>) -> Self {
        let line = |weight| Line { weight: i64::from(weight), owed: 0, waiting: VecDeque::new() };
        Self { lines: classes.into_iter().map(|(name, weight)| (name, line(weight))).collect() }
    }

    /// Puts an item at the end of its class's line. The broker's prefetch bounds how many there can be.
    pub(super) fn push(&mut self, class: &str, item: T) {
        let line = Line { weight: 1, owed: 0, waiting: VecDeque::new() };
        self.lines.entry(class.to_owned()).or_insert(line).waiting.push_back(item);
    }

    /// The next item whose turn it is, among those that may go now.
    pub(super) fn pick(&mut self, may_go: impl Fn(&T) -> bool) -> Option<T> {
        let ready: Vec<(String, usize)> = self
            .lines
            .iter()
            .filter_map(|(class, line)| Some((class.clone(), line.waiting.iter().position(&may_go)?)))
            .collect();
        let total: i64 = ready.iter().filter_map(|(class, _)| self.lines.get(class)).map(|line| line.weight).sum();
        for (class, _) in &ready {
            if let Some(line) = self.lines.get_mut(class) {
                line.owed += line.weight;
            }
        }
        let (class, at) = ready
            .into_iter()
            .max_by_key(|(class, _)| self.lines.get(class).map(|line| (line.owed, std::cmp::Reverse(class.clone()))))?;
        let line = self.lines.get_mut(&class)?;
        line.owed -= total;
        line.waiting.remove(at)
    }

    /// Takes out every item of which this is true.
    pub(super) fn take_all(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for line in self.lines.values_mut() {
            let (out, stay) = std::mem::take(&mut line.waiting).into_iter().partition::<Vec<T>, _>(&wanted);
            line.waiting = stay.into();
            taken.extend(out);
        }
        taken
    }

    /// Whether something waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.values().all(|line| line.waiting.is_empty())
    }

    /// Empties every line.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.lines.values_mut().flat_map(|line| std::mem::take(&mut line.waiting)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(classes: &[(&str, u32)]) -> Lines<(String, usize)> {
        Lines::new(classes.iter().map(|(name, weight)| ((*name).to_owned(), *weight)))
    }

    fn fill(lines: &mut Lines<(String, usize)>, class: &str, count: usize) {
        for number in 0..count {
            lines.push(class, (class.to_owned(), number));
        }
    }

    #[test]
    fn each_class_gets_its_share_while_both_wait() {
        let mut lines = lines(&[("batch", 1), ("default", 3)]);
        fill(&mut lines, "batch", 100);
        fill(&mut lines, "default", 100);
        let picked: Vec<String> = (0..40).map(|_| lines.pick(|_| true).unwrap().0).collect();
        assert_eq!(picked.iter().filter(|class| *class == "batch").count(), 10);
        // Smooth: no class waits through a long run of the other.
        assert!(picked.windows(4).all(|four| four.iter().any(|class| class == "batch")));
    }

    #[test]
    fn a_class_alone_gets_every_slot_and_owes_nothing_for_it() {
        let mut lines = lines(&[("batch", 1), ("default", 1)]);
        fill(&mut lines, "batch", 50);
        for _ in 0..50 {
            assert_eq!(lines.pick(|_| true).unwrap().0, "batch");
        }
        fill(&mut lines, "batch", 2);
        fill(&mut lines, "default", 2);
        let picked: Vec<String> = (0..4).map(|_| lines.pick(|_| true).unwrap().0).collect();
        assert_eq!(picked.iter().filter(|class| *class == "batch").count(), 2);
        assert_ne!(picked.first(), picked.get(1));
    }

    #[test]
    fn within_a_class_the_first_that_may_go_goes_first() {
        let mut lines = lines(&[("default", 1)]);
        fill(&mut lines, "default", 3);
        assert_eq!(lines.pick(|(_, number)| *number != 0).unwrap().1, 1);
        assert_eq!(lines.pick(|_| true).unwrap().1, 0);
        assert_eq!(lines.pick(|_| false), None);
        fill(&mut lines, "default", 3);
        assert_eq!(lines.take_all(|(_, number)| *number == 1).len(), 1);
        assert_eq!(lines.take_all(|(_, number)| *number == 0).len(), 1);
        assert_eq!(lines.drain().into_iter().map(|(_, number)| number).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(lines.drain().len(), 0);
    }
}
