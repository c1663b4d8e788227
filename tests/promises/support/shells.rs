//! Shells with files of a user's own, plain or dressed up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::tmux::Server;

/// The shells that can tell when a command ends.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// How a user has set a shell up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dress {
    /// Not at all.
    Plain,
    /// A prompt of several lines with colours and a right-hand side, made anew each time; suggestions; things
    /// that are printed around it.
    Fancy,
    /// With a prompt that takes more than a second, as one that looks into a large repository.
    Slow,
}

const BASHRC: &str = r#"
__ann() { local status=$?; PS1='\[\e[34m\]ann in '"$status"' \w\[\e[0m\]\n\[\e[1m\]❯\[\e[0m\] '; printf '\e]0;title\a'; }
PROMPT_COMMAND='__ann'
PS2='… '
trap ':' DEBUG
"#;

const ZSHRC: &str = r"
setopt prompt_subst transient_rprompt no_clobber
autoload -Uz vcs_info colors
ann_prompt() { vcs_info; PROMPT=$'%F{blue}ann in %? %~%f\n%B❯%b '; RPROMPT='%F{yellow}%*%f'; print -n '\e]0;title\a'; }
precmd_functions+=(ann_prompt)
preexec() { print -n '\e]0;running\a'; }
zle-line-init() { : ; }
zle -N zle-line-init
zle-keymap-select() { zle reset-prompt; }
zle -N zle-keymap-select
PROMPT_EOL_MARK='%F{red}⏎%f'
SAVEHIST=100
source /usr/share/zsh-autosuggestions/zsh-autosuggestions.zsh
source /usr/share/zsh-syntax-highlighting/zsh-syntax-highlighting.zsh
ZSH_AUTOSUGGEST_STRATEGY=(history completion)
echo 'welcome, Ann'
";

const CONFIG_FISH: &str = r#"
function fish_greeting; echo 'welcome, Ann'; end
function fish_prompt
    set -l last $status
    set_color blue; echo "ann in $last "(prompt_pwd); set_color normal; echo -n '❯ '
end
function fish_right_prompt; set_color yellow; date +%T; set_color normal; end
function fish_mode_prompt; end
function ann --on-event fish_prompt; printf '\e]0;title\a'; end
"#;

/// What takes its time before a prompt.
const SLOW: [&str; 3] = [
    "PS1='$(sleep 1.2)\\w \\$ '\n",
    "setopt prompt_subst\nPROMPT='$(sleep 1.2)%~ %# '\n",
    "function fish_prompt; sleep 1.2; echo '> '; end\n",
];

/// A server whose sessions run this shell, in a home of its own.
pub fn dressed(shell: &str, dress: Dress) -> Server {
    let mut server = Server::new();
    let home = server.path("home");
    fs::create_dir_all(home.join(".config/fish")).unwrap();
    let [bash, zsh, fish] = SLOW;
    let (file, fancy, slow) = match shell {
        "bash" => (".bashrc", BASHRC, bash),
        "zsh" => (".zshrc", ZSHRC, zsh),
        _ => (".config/fish/config.fish", CONFIG_FISH, fish),
    };
    let content = match dress {
        // zsh asks a user without files whether they want some.
        Dress::Plain => "",
        Dress::Fancy => fancy,
        Dress::Slow => slow,
    };
    fs::write(home.join(file), content).unwrap();
    server.reconfigure(|config| config.shell = start(&home, shell));
    server
}

/// A program of the shell's name that starts it in this home.
fn start(home: &Path, shell: &str) -> String {
    let path = home.join("bin").join(shell);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let home = home.display();
    fs::write(
        &path,
        format!(
            "#!/bin/sh\nunset XDG_DATA_HOME\nexport HOME={home} XDG_CONFIG_HOME={home}/.config \
             LANG=C.UTF-8 LC_ALL=C.UTF-8\ncd\nexec /usr/bin/{shell} \"$@\"\n"
        ),
    )
    .unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}
