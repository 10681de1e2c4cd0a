//! Function calls.

use std::rc::Rc;

use crate::ast::Function;
use crate::shell::{Call, Exec, Flow, Shell};

/// Deepest nesting of functions, sourced files and `eval`, which live on the guest's stack.
pub const MAX_CALLS: u32 = 1000;

impl Shell {
    pub(super) fn call(&mut self, function: &Rc<Function>, mut argv: Vec<String>) -> Exec {
        let limit = self
            .vars
            .text("FUNCNEST")
            .and_then(|t| t.parse().ok())
            .filter(|n| *n > 0)
            .unwrap_or(MAX_CALLS);
        if self.depth >= limit.min(MAX_CALLS) {
            let limit = limit.min(MAX_CALLS);
            return Err(self.abort(&format!(
                "{}: maximum function nesting level exceeded ({limit})",
                function.name
            )));
        }
        let name = argv.remove(0);
        let last = argv.last().unwrap_or(&name).clone();
        let params = std::mem::replace(&mut self.params, argv);
        let loops = std::mem::replace(&mut self.loops, 0);
        let line = self.line;
        self.calls.push(Call {
            name,
            source: Rc::clone(&function.source),
            line,
            function: true,
        });
        self.depth += 1;
        self.vars.push(false);
        let traps = self.traps.enter_function(self.opts.functrace);
        let result = if function.redirs.is_empty() {
            self.run_compound(&function.body, false, function.line)
        } else {
            self.redirected(&function.redirs, |sh| {
                sh.run_compound(&function.body, false, function.line)
            })
        };
        let result = match result {
            Err(Flow::Return) => Ok(self.status),
            Err(Flow::Break(_) | Flow::Continue(_)) => Ok(self.status),
            other => other,
        };
        if let Ok(status) = result {
            self.status = status;
        }
        let trapped = if self.traps.has_return() {
            self.run_return_trap()
        } else {
            Ok(())
        };
        self.traps.leave_function(traps);
        self.vars.pop();
        self.ifs = None;
        self.depth -= 1;
        self.calls.pop();
        self.loops = loops;
        self.params = params;
        self.line = line;
        self.last_arg = last;
        trapped.and(result)
    }
}
