//! `set -o` and `shopt`.

macro_rules! options {
    ($(#[$doc:meta])* $type:ident { $($field:ident $letter:literal $name:literal = $default:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $type {
            $(#[doc = concat!("`", $name, "`")] pub $field: bool,)*
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $type {
            /// Names with letters, in alphabetical order.
            pub const NAMES: &[(&str, char)] = &[$(($name, $letter)),*];

            /// The option of a name.
            pub fn by_name(&mut self, name: &str) -> Option<&mut bool> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// The value of an option.
            pub fn get(&self, name: &str) -> Option<bool> {
                match name {
                    $($name => Some(self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

options! {
    /// Options of `set`.
    Options {
        allexport 'a' "allexport" = false;
        braceexpand 'B' "braceexpand" = true;
        emacs ' ' "emacs" = false;
        errexit 'e' "errexit" = false;
        errtrace 'E' "errtrace" = false;
        functrace 'T' "functrace" = false;
        hashall 'h' "hashall" = true;
        histexpand 'H' "histexpand" = false;
        history ' ' "history" = false;
        ignoreeof ' ' "ignoreeof" = false;
        interactive_comments ' ' "interactive-comments" = true;
        keyword 'k' "keyword" = false;
        monitor 'm' "monitor" = false;
        noclobber 'C' "noclobber" = false;
        noexec 'n' "noexec" = false;
        noglob 'f' "noglob" = false;
        nolog ' ' "nolog" = false;
        notify 'b' "notify" = false;
        nounset 'u' "nounset" = false;
        onecmd 't' "onecmd" = false;
        physical 'P' "physical" = false;
        pipefail ' ' "pipefail" = false;
        posix ' ' "posix" = false;
        privileged 'p' "privileged" = false;
        verbose 'v' "verbose" = false;
        vi ' ' "vi" = false;
        xtrace 'x' "xtrace" = false;
    }
}

options! {
    /// Options of `shopt`.
    Shopts {
        autocd ' ' "autocd" = false;
        assoc_expand_once ' ' "assoc_expand_once" = false;
        cdable_vars ' ' "cdable_vars" = false;
        cdspell ' ' "cdspell" = false;
        checkhash ' ' "checkhash" = false;
        checkjobs ' ' "checkjobs" = false;
        checkwinsize ' ' "checkwinsize" = true;
        cmdhist ' ' "cmdhist" = true;
        compat31 ' ' "compat31" = false;
        compat32 ' ' "compat32" = false;
        compat40 ' ' "compat40" = false;
        compat41 ' ' "compat41" = false;
        compat42 ' ' "compat42" = false;
        compat43 ' ' "compat43" = false;
        compat44 ' ' "compat44" = false;
        complete_fullquote ' ' "complete_fullquote" = true;
        direxpand ' ' "direxpand" = false;
        dirspell ' ' "dirspell" = false;
        dotglob ' ' "dotglob" = false;
        execfail ' ' "execfail" = false;
        expand_aliases ' ' "expand_aliases" = false;
        extdebug ' ' "extdebug" = false;
        extglob ' ' "extglob" = false;
        extquote ' ' "extquote" = true;
        failglob ' ' "failglob" = false;
        force_fignore ' ' "force_fignore" = true;
        globasciiranges ' ' "globasciiranges" = true;
        globskipdots ' ' "globskipdots" = true;
        globstar ' ' "globstar" = false;
        gnu_errfmt ' ' "gnu_errfmt" = false;
        histappend ' ' "histappend" = false;
        histreedit ' ' "histreedit" = false;
        histverify ' ' "histverify" = false;
        hostcomplete ' ' "hostcomplete" = true;
        huponexit ' ' "huponexit" = false;
        inherit_errexit ' ' "inherit_errexit" = false;
        interactive_comments ' ' "interactive_comments" = true;
        lastpipe ' ' "lastpipe" = false;
        lithist ' ' "lithist" = false;
        localvar_inherit ' ' "localvar_inherit" = false;
        localvar_unset ' ' "localvar_unset" = false;
        login_shell ' ' "login_shell" = false;
        mailwarn ' ' "mailwarn" = false;
        no_empty_cmd_completion ' ' "no_empty_cmd_completion" = false;
        nocaseglob ' ' "nocaseglob" = false;
        nocasematch ' ' "nocasematch" = false;
        noexpand_translation ' ' "noexpand_translation" = false;
        nullglob ' ' "nullglob" = false;
        patsub_replacement ' ' "patsub_replacement" = true;
        progcomp ' ' "progcomp" = true;
        progcomp_alias ' ' "progcomp_alias" = false;
        promptvars ' ' "promptvars" = true;
        restricted_shell ' ' "restricted_shell" = false;
        shift_verbose ' ' "shift_verbose" = false;
        sourcepath ' ' "sourcepath" = true;
        varredir_close ' ' "varredir_close" = false;
        xpg_echo ' ' "xpg_echo" = false;
    }
}

impl Options {
    /// Letters of the options that are on, as in `$-`.
    pub fn letters(&self) -> String {
        let mut letters: Vec<char> = Self::NAMES
            .iter()
            .filter(|(name, letter)| *letter != ' ' && self.get(name) == Some(true))
            .map(|(_, letter)| *letter)
            .collect();
        letters.sort_unstable_by_key(|c| (c.is_ascii_uppercase(), *c));
        letters.into_iter().collect()
    }

    /// Names of the options that are on, as in `$SHELLOPTS`.
    pub fn names_on(&self) -> String {
        on(Self::NAMES, |name| self.get(name))
    }
}

impl Shopts {
    /// Names of the options that are on, as in `$BASHOPTS`.
    pub fn names_on(&self) -> String {
        on(Self::NAMES, |name| self.get(name))
    }
}

fn on(names: &[(&'static str, char)], get: impl Fn(&str) -> Option<bool>) -> String {
    let names: Vec<&str> = names
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| get(name) == Some(true))
        .collect();
    names.join(":")
}
