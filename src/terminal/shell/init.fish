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
    # With the newline that ends what is printed, which is no part of it.
    set -l text (commandline --current-buffer | string collect --no-trim-newlines)
    set text (string replace --regex --all '[[:cntrl:]]' '␤' -- "$text")
    set -l length (math (string length -- "$text") - 1)
    set text (string sub --length $length -- "$text")
    if test $length -gt 2000
        set text (string sub --length 1000 -- "$text")(string sub --start -1000 -- "$text")
    end
    __voice_terminal_mark "L;"(commandline --cursor)";$length;$text"
end

function __voice_terminal_clear
    commandline --replace ''
    commandline --function repaint
end

# Voice-terminal asks for it, or for an empty one, by keys that no keyboard is likely to send: control alt
# shift F12 and F11.
for mode in default insert visual
    bind --mode $mode \e\[24\;8~ __voice_terminal_line
    bind --mode $mode \e\[23\;8~ __voice_terminal_clear
end
