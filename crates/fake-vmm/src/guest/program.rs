//! The programs that containers run: argv in, steps out.

use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Write { stderr: bool, data: Vec<u8> },
    /// Bytes `from..until` of the endless pattern `spewed`.
    Spew { from: u64, until: u64 },
    /// stdin to stdout until the end of stdin.
    Cat,
    Sleep(Duration),
    /// 1, 2, 3… on lines of their own.
    Counter { every: Duration, next: u64 },
    /// Says TERM at each SIGTERM, or exits with the code.
    TrapTerm(Option<i32>),
    /// Runs the lines of stdin.
    Shell,
    /// The status that the program has when it ends here.
    Status(i32),
    Exit(i32),
}

pub type Program = VecDeque<Step>;

/// The byte at an offset of what `spew` writes. Its period is a prime, so that no cut of the stream looks like another.
pub fn spewed(offset: u64) -> u8 {
    b' ' + (offset % PERIOD) as u8
}

const PERIOD: u64 = 89;

/// `spewed` of a range, a period at a time.
pub fn spewed_range(range: std::ops::Range<u64>) -> Vec<u8> {
    let length = (range.end - range.start) as usize;
    let period: Vec<u8> = (range.start..range.start + PERIOD).map(spewed).collect();
    let mut bytes = period.repeat(length.div_ceil(period.len()));
    bytes.truncate(length);
    bytes
}

/// Where a program runs, as far as programs can see it.
pub struct Surroundings<'a> {
    pub env: &'a [String],
    pub cwd: &'a str,
    pub hostname: &'a str,
}

/// `None`: there is no such program.
pub fn compile(args: &[String], around: &Surroundings<'_>) -> Option<Program> {
    let (program, rest) = args.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    match (name, rest) {
        ("sh" | "ash" | "bash", [flag, script, ..]) if flag.starts_with('-') && flag.ends_with('c') => Some(script_steps(script, around)),
        ("sh" | "ash" | "bash", []) => Some([Step::Shell].into()),
        _ => {
            let mut steps = command(name, rest, false, around)?;
            steps.push_back(Step::Exit(last_status(&steps)));
            Some(steps)
        }
    }
}

fn last_status(steps: &Program) -> i32 {
    steps.iter().rev().find_map(|step| if let Step::Status(status) = step { Some(*status) } else { None }).unwrap_or(0)
}

/// The steps of `;`-separated commands, with the last one's status at the end.
pub fn script_steps(script: &str, around: &Surroundings<'_>) -> Program {
    let mut steps = Program::new();
    for words in commands(script) {
        let stderr = words.iter().any(|word| word == ">&2" || word == "1>&2");
        let words: Vec<String> = words.into_iter().filter(|word| word != ">&2" && word != "1>&2").collect();
        let words = words.strip_prefix(&["exec".to_owned()]).unwrap_or(&words);
        let Some((name, rest)) = words.split_first() else { continue };
        match command(name.rsplit('/').next().unwrap_or(name), rest, stderr, around) {
            Some(more) => steps.extend(more),
            None => steps.extend([
                Step::Write { stderr: true, data: format!("sh: {name}: not found\n").into_bytes() },
                Step::Status(127),
            ]),
        }
    }
    steps.push_back(Step::Exit(last_status(&steps)));
    steps
}

fn command(name: &str, rest: &[String], stderr: bool, around: &Surroundings<'_>) -> Option<Program> {
    let argument = rest.first().map(String::as_str);
    let line = |text: &str| Step::Write { stderr, data: format!("{text}\n").into_bytes() };
    let steps = match name {
        "true" | ":" => vec![Step::Status(0)],
        "false" => vec![Step::Status(1)],
        "echo" => match rest.split_first() {
            Some((flag, words)) if flag == "-n" => vec![Step::Write { stderr, data: words.join(" ").into_bytes() }, Step::Status(0)],
            _ => vec![line(&rest.join(" ")), Step::Status(0)],
        },
        "cat" => vec![Step::Cat, Step::Status(0)],
        "sleep" => vec![Step::Sleep(seconds(argument?)?), Step::Status(0)],
        "exit" => vec![Step::Exit(argument.unwrap_or("0").parse::<i32>().ok()? & 0xff)],
        "spew" | "yes" => vec![Step::Spew { from: 0, until: argument.map_or(Some(u64::MAX), |count| count.parse().ok())? }, Step::Status(0)],
        "counter" => vec![Step::Counter { every: Duration::from_millis(argument.unwrap_or("1000").parse().ok()?), next: 1 }],
        "trap-term" => vec![Step::TrapTerm(argument.and_then(|code| code.parse().ok()))],
        "env" => around.env.iter().map(|variable| line(variable)).chain([Step::Status(0)]).collect(),
        "pwd" => vec![line(around.cwd), Step::Status(0)],
        "hostname" => vec![line(around.hostname), Step::Status(0)],
        "uname" => vec![line("Linux fake 6.1.0-fake x86_64 GNU/Linux"), Step::Status(0)],
        _ => return None,
    };
    Some(steps.into())
}

fn seconds(text: &str) -> Option<Duration> {
    match text {
        "infinity" | "inf" => Some(Duration::from_secs(u64::from(u32::MAX))),
        _ => Duration::try_from_secs_f64(text.parse().ok()?).ok(),
    }
}

/// Splits at `;` and line ends, and each command at spaces; quotes keep both.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in script.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t' | ';' | '\n') => {
                let last = commands.len() - 1;
                commands[last].extend(word.take());
                if matches!(letter, ';' | '\n') {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    let last = commands.len() - 1;
    commands[last].extend(word);
    commands
}

#[cfg(test)]
mod tests {
    use super::{compile, Step, Surroundings};

    fn steps(args: &[&str]) -> Option<Vec<Step>> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        compile(&args, &Surroundings { env: &[], cwd: "/", hostname: "h" }).map(Vec::from)
    }

    fn write(stderr: bool, text: &str) -> Step {
        Step::Write { stderr, data: text.as_bytes().to_vec() }
    }

    #[test]
    fn a_script_becomes_steps() {
        assert_eq!(
            steps(&["/bin/sh", "-c", "echo a  'b ; c'; echo -n x >&2; sleep 0.5; exit 7"]),
            Some(vec![
                write(false, "a b ; c\n"),
                Step::Status(0),
                write(true, "x"),
                Step::Status(0),
                Step::Sleep(std::time::Duration::from_millis(500)),
                Step::Status(0),
                Step::Exit(7),
                Step::Exit(0),
            ])
        );
    }

    #[test]
    fn the_last_command_gives_the_status() {
        assert_eq!(steps(&["false"]).and_then(|steps| steps.last().cloned()), Some(Step::Exit(1)));
        assert_eq!(steps(&["sh", "-c", "nonsense"]).and_then(|steps| steps.last().cloned()), Some(Step::Exit(127)));
    }

    #[test]
    fn there_are_programs_that_there_are_not() {
        assert_eq!(steps(&["/usr/bin/python3"]), None);
        assert_eq!(steps(&["sleep", "soon"]), None);
        assert_eq!(steps(&[]), None);
    }
}
