# Made by voice-terminal, for fish in its tmux sessions. Read after your own files, it adds marks around
# prompts and commands (OSC 133) that tell voice-terminal what is typed, when a command ends, and how. Your
# prompt is left as it is.
# Changes here are overwritten.

set -g __voice_terminal_nonce $VOICE_TERMINAL_NONCE
set -eg VOICE_TERMINAL_NONCE

function __voice_terminal_mark
    printf '\e]133;%s;%s\a' "$argv[1]" "$__voice_terminal_nonce"
end

function __voice_terminal_prompt --on-event fish_prompt
    __voice_terminal_mark A
    __voice_terminal_mark B
end

function __voice_terminal_began --on-event fish_preexec
    __voice_terminal_mark C
end

function __voice_terminal_ended --on-event fish_postexec
    __voice_terminal_mark "D;$status"
end

# The line was not run, and is still there.
function __voice_terminal_refused --on-event fish_posterror
    __voice_terminal_mark "D;127"
    __voice_terminal_mark B
end

# The line that is typed, without what is suggested: where the cursor is, how long it is, and of a long one
# both ends.
function __voice_terminal_line
    set -l buffer (commandline --current-buffer | string collect)
    set -l length (string length -- "$buffer")
    set -l text "$buffer"
    if test $length -gt 2000
        set text (string sub --length 1000 -- "$buffer")(string sub --start -1000 -- "$buffer")
    end
    set text (string replace --regex --all '[[:cntrl:]]' '␤' -- "$text" | string collect)
    __voice_terminal_mark "L;"(commandline --cursor)";$length;$text"
end

# Voice-terminal asks for it by a key that no keyboard is likely to send: control alt shift F12.
for mode in default insert visual
    bind --mode $mode \e\[24\;8~ __voice_terminal_line
end
