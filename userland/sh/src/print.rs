//! The syntax tree as text, in the layout of `declare -f`.

use crate::ast::{
    AndOr, Assign, AssignValue, CaseEnd, Command, Compound, Cond, Function, HereDoc, Item, List, Pipeline, Redir,
    RedirFd, RedirKind, Simple, Timed, Word,
};

/// A function's definition.
pub fn function(function: &Function) -> String {
    let mut p = Printer {
        out: format!("{} () \n", function.name),
        ..Printer::default()
    };
    match &*function.body {
        Compound::Group(list) => p.group(list),
        other => {
            p.out.push_str("{ \n");
            p.indent += 1;
            p.start();
            p.compound(other);
            p.indent -= 1;
            p.out.push('\n');
            p.start();
            p.out.push('}');
        }
    }
    p.redirs(&function.redirs);
    p.out
}

/// A simple command on one line.
pub fn simple(simple: &Simple) -> String {
    let mut p = Printer::default();
    p.simple(simple);
    p.out
}

#[derive(Default)]
struct Printer {
    out: String,
    indent: usize,
    /// Here-documents whose bodies follow at the end of the line.
    pending: Vec<std::rc::Rc<HereDoc>>,
}

impl Printer {
    fn start(&mut self) {
        self.out.push_str(&"    ".repeat(self.indent));
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn group(&mut self, list: &List) {
        self.start();
        self.text("{ \n");
        self.block(list);
        self.text("\n");
        self.start();
        self.text("}");
    }

    /// Commands one level deeper, each on its own line.
    fn block(&mut self, list: &List) {
        self.indent += 1;
        for (i, item) in list.items.iter().enumerate() {
            if i > 0 {
                self.text("\n");
            }
            self.start();
            self.item(item, i + 1 == list.items.len());
        }
        self.indent -= 1;
    }

    /// A block whose last command ends in a semicolon, before a closing word.
    fn closed_block(&mut self, list: &List) {
        self.block(list);
        if !self.out.ends_with(['&', '\n']) {
            self.text(";");
        }
        self.text("\n");
        self.start();
    }

    fn item(&mut self, item: &Item, last: bool) {
        self.and_or(&item.and_or);
        if item.background {
            self.text(" &");
        } else if !last && self.pending.is_empty() {
            self.text(";");
        }
        self.bodies();
    }

    fn bodies(&mut self) {
        for doc in std::mem::take(&mut self.pending) {
            let body = doc.body.get().map_or("", |w| &*w.raw).to_owned();
            self.text(&format!("\n{body}{}\n", doc.delimiter));
        }
    }

    fn inline(&mut self, list: &List) {
        for (i, item) in list.items.iter().enumerate() {
            if i > 0 {
                self.text(if list.items[i - 1].background { " " } else { "; " });
            }
            self.and_or(&item.and_or);
            if item.background {
                self.text(" &");
            }
        }
    }

    fn and_or(&mut self, list: &AndOr) {
        self.pipeline(&list.first);
        for (and, pipeline) in &list.rest {
            self.text(if *and { " && " } else { " || " });
            self.pipeline(pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        match pipeline.timed {
            Some(Timed::Bash) => self.text("time "),
            Some(Timed::Posix) => self.text("time -p "),
            None => {}
        }
        if pipeline.negated {
            self.text("! ");
        }
        for (i, stage) in pipeline.stages.iter().enumerate() {
            if i > 0 {
                self.text(" | ");
            }
            self.command(stage);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirs, _) => {
                self.compound(compound);
                self.redirs(redirs);
            }
            Command::Function(function) => {
                let text = self::function(function);
                let pad = "    ".repeat(self.indent);
                let text = text.replace('\n', &format!("\n{pad}"));
                self.text(&format!("function {text}"));
            }
            Command::Coproc(name, command) => {
                self.text(&format!("coproc {name} "));
                self.command(command);
            }
        }
    }

    fn simple(&mut self, simple: &Simple) {
        let assigns = simple.assigns.iter().map(assign);
        let words = simple.words.iter().map(|w| w.raw.to_string());
        let all: Vec<String> = assigns.chain(words).collect();
        self.text(&all.join(" "));
        self.redirs(&simple.redirs);
        if all.is_empty() {
            self.out = self.out.trim_start_matches(' ').to_owned();
        }
    }

    fn redirs(&mut self, redirs: &[Redir]) {
        for redir in redirs {
            self.text(" ");
            let (number, op, word) = parts(redir);
            self.text(&format!("{number}{op}"));
            match &redir.kind {
                RedirKind::HereDoc(doc) => {
                    let delimiter = if doc.quoted {
                        format!("'{}'", doc.delimiter)
                    } else {
                        doc.delimiter.clone()
                    };
                    self.text(&delimiter);
                    self.pending.push(std::rc::Rc::clone(doc));
                }
                RedirKind::Dup(..) => self.text(&word),
                _ => self.text(&format!(" {word}")),
            }
        }
    }

    fn compound(&mut self, compound: &Compound) {
        match compound {
            Compound::Subshell(list) => {
                self.text("( ");
                self.inline(list);
                self.text(" )");
            }
            Compound::Group(list) => {
                self.text("{ \n");
                self.closed_or_open(list);
                self.text("}");
            }
            Compound::If(branches, otherwise) => self.if_(branches, otherwise.as_ref()),
            Compound::While(wanted, condition, body) => {
                self.text(if *wanted { "while " } else { "until " });
                self.inline(condition);
                self.text("; do\n");
                self.closed_block(body);
                self.text("done");
            }
            Compound::For(name, words, body) => self.for_("for", name, words.as_deref(), body),
            Compound::Select(name, words, body) => self.for_("select", name, words.as_deref(), body),
            Compound::ArithFor(clauses, body) => {
                let [a, b, c] = &**clauses;
                self.text(&format!(
                    "for (({}; {}; {}))\n",
                    a.word.raw.trim(),
                    b.word.raw.trim(),
                    c.word.raw.trim()
                ));
                self.start();
                self.text("do\n");
                self.closed_block(body);
                self.text("done");
            }
            Compound::Case(word, items) => {
                self.text(&format!("case {} in \n", word.raw));
                self.indent += 1;
                for item in items {
                    self.start();
                    let patterns: Vec<&str> = item.patterns.iter().map(|p| &*p.raw).collect();
                    self.text(&format!("{})\n", patterns.join(" | ")));
                    self.block(&item.body);
                    self.text("\n");
                    self.start();
                    self.text(match item.end {
                        CaseEnd::Break => ";;\n",
                        CaseEnd::Fall => ";&\n",
                        CaseEnd::Test => ";;&\n",
                    });
                }
                self.indent -= 1;
                self.start();
                self.text("esac");
            }
            Compound::Arith(arith) => self.text(&format!("(({}))", arith.word.raw)),
            Compound::Cond(cond) => {
                let text = cond_text(cond);
                self.text(&format!("[[ {text} ]]"));
            }
        }
    }

    fn closed_or_open(&mut self, list: &List) {
        self.block(list);
        self.text("\n");
        self.start();
    }

    fn if_(&mut self, branches: &[(List, List)], otherwise: Option<&List>) {
        let Some(((condition, body), rest)) = branches.split_first() else {
            return;
        };
        self.text("if ");
        self.inline(condition);
        self.text("; then\n");
        self.closed_block(body);
        if !rest.is_empty() {
            // An `elif` is shown as an `if` inside the `else`.
            self.text("else\n");
            self.indent += 1;
            self.start();
            self.if_(rest, otherwise);
            self.text(";\n");
            self.indent -= 1;
            self.start();
        } else if let Some(body) = otherwise {
            self.text("else\n");
            self.closed_block(body);
        }
        self.text("fi");
    }

    fn for_(&mut self, keyword: &str, name: &str, words: Option<&[Word]>, body: &List) {
        let words: String = match words {
            Some(words) => words.iter().map(|w| format!(" {}", w.raw)).collect(),
            None => " \"$@\"".to_owned(),
        };
        self.text(&format!("{keyword} {name} in{words};\n"));
        self.start();
        self.text("do\n");
        self.closed_block(body);
        self.text("done");
    }
}

fn parts(redir: &Redir) -> (String, &'static str, String) {
    let (op, default, word) = match &redir.kind {
        RedirKind::Read(w) => ("<", 0, w),
        RedirKind::Write(w, false) => (">", 1, w),
        RedirKind::Write(w, true) => (">|", 1, w),
        RedirKind::Append(w) => (">>", 1, w),
        RedirKind::ReadWrite(w) => ("<>", 0, w),
        RedirKind::Dup(w, true) => ("<&", 0, w),
        RedirKind::Dup(w, false) => (">&", 1, w),
        RedirKind::HereString(w) => ("<<<", 0, w),
        RedirKind::HereDoc(doc) => {
            return (
                number(&redir.fd, 0),
                if doc.strip { "<<-" } else { "<<" },
                String::new(),
            );
        }
    };
    let always = matches!(redir.kind, RedirKind::Dup(..));
    let number = match &redir.fd {
        RedirFd::Number(n) if always => n.to_string(),
        fd => number(fd, default),
    };
    (number, op, word.raw.to_string())
}

fn number(fd: &RedirFd, default: u32) -> String {
    match fd {
        RedirFd::Number(n) if *n == default => String::new(),
        RedirFd::Number(n) => n.to_string(),
        RedirFd::Named(name) => format!("{{{name}}}"),
        RedirFd::Both => "&".to_owned(),
    }
}

fn assign(a: &Assign) -> String {
    let index = a.index.as_ref().map_or(String::new(), |i| format!("[{}]", i.raw));
    let op = if a.append { "+=" } else { "=" };
    let value = match &a.value {
        AssignValue::Word(word) => word.raw.to_string(),
        AssignValue::Array(elements) => {
            let all: Vec<String> = elements
                .iter()
                .map(|e| match &e.index {
                    Some(i) => format!("[{}]{}{}", i.raw, if e.append { "+=" } else { "=" }, e.value.raw),
                    None => e.value.raw.to_string(),
                })
                .collect();
            format!("({})", all.join(" "))
        }
    };
    format!("{}{index}{op}{value}", a.name)
}

fn cond_text(cond: &Cond) -> String {
    match cond {
        Cond::Unary(op, word) => format!("{op} {}", word.raw),
        Cond::Binary(a, op, b) => format!("{} {op} {}", a.raw, b.raw),
        Cond::Word(word) => format!("-n {}", word.raw),
        Cond::Not(inner) => format!("! {}", cond_text(inner)),
        Cond::And(a, b) => format!("{} && {}", cond_text(a), cond_text(b)),
        Cond::Or(a, b) => format!("{} || {}", cond_text(a), cond_text(b)),
        Cond::Paren(inner) => format!("( {} )", cond_text(inner)),
    }
}
