//! Home directories.

use crate::shell::Shell;

impl Shell {
    /// What `~name` stands for; itself if there is no such user.
    pub fn tilde(&mut self, name: &str) -> String {
        let found = match name {
            "" => self
                .vars
                .text("HOME")
                .map(str::to_owned)
                .or_else(|| home_of(|line| line.get(2) == Some(&user_id().as_str()))),
            "+" => self.vars.text("PWD").map(str::to_owned),
            "-" => self.vars.text("OLDPWD").map(str::to_owned),
            _ => home_of(|line| line.first() == Some(&name)),
        };
        found.unwrap_or_else(|| format!("~{name}"))
    }
}

fn user_id() -> String {
    crate::sys::user_ids()[0].to_string()
}

/// The home in the line of the user database that `is` accepts.
fn home_of(is: impl Fn(&[&str]) -> bool) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        if is(&fields) {
            fields.get(5).map(|home| (*home).to_owned())
        } else {
            None
        }
    })
}

/// The name of the present user.
pub fn user_name() -> String {
    let id = user_id();
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(&id));
    line.and_then(|line| line.split(':').next())
        .unwrap_or("user")
        .to_owned()
}
