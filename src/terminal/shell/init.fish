# Made by voice-terminal, for fish in its tmux sessions. Read after your own files, it adds marks around
# prompts and commands (OSC 133) that tell voice-terminal what is typed, when a command ends, and how. Your
# prompt is left as it is.
# Changes here are overwritten.

set -g __voice_terminal_nonce $VOICE_TERMINAL_NONCE
set -eg VOICE_TERMINAL_NONCE

function __voice_terminal_mark
    printf '\e]133;%s;%s\a' "$argv[1]" "$__voice_terminal_nonce"
end

# What fish brings along, which means what everybody knows.
set -g __voice_terminal_shipped "^(?:"(string escape --style=regex -- $__fish_data_dir)"/|embedded:|n/a\$)"

# One name: what kind of thing it is, and the text that it stands for.
function __voice_terminal_name
    set -l text (string replace --regex --all '[[:cntrl:]␞␟]' '␤' -- "$argv[3]")
    if test (string length -- "$text") -gt 1000
        set text ␤
    end
    echo "$argv[1]$argv[2]␟$text␞"
end

# What names mean here: functions, those that are aliases with their texts, and abbreviations.
function __voice_terminal_names
    for name in (functions --names)[1..1000]
        set -l details (functions --details --verbose -- $name)
        if string match --quiet --regex -- '^alias [^= ]+[= ](?<text>.*)' "$details[5]"
            __voice_terminal_name w $name "$text"
        else if not string match --quiet --regex -- $__voice_terminal_shipped "$details[1]"
            __voice_terminal_name f $name
        end
    end
    for line in (abbr --show)[1..1000]
        set -l parts (string match --regex --groups-only '^abbr -a (?:-U )?((?:--position anywhere )?)-- (\S+) (.*)' -- $line)
        if test (count $parts) = 3
            set -l kind b
            test -n "$parts[1]"; and set kind g
            __voice_terminal_name $kind $parts[2] "$(string unescape -- $parts[3])"
        else
            set parts (string match --regex --groups-only -- ' -- (\S+)' $line)
            and __voice_terminal_name f $parts[1]
            # Nobody but fish knows where in a line it takes one of these for what.
            string match --quiet -- '*--position anywhere*' $line
            and __voice_terminal_name u $parts[1]
        end
    end
end

# Tells them, if they are not as they were told last.
function __voice_terminal_tell
    set -l names (__voice_terminal_names)
    test "$names" = "$__voice_terminal_told"; and return
    set -g __voice_terminal_told "$names"
    set -l part 1
    set -l records ''
    for name in $names
        set records "$records$name"
        if test (string length -- "$records") -gt 2000
            __voice_terminal_mark "N;$part;$records"
            set part 0
            set records ''
        end
    end
    __voice_terminal_mark "N;$part;$records"
end

function __voice_terminal_tell_anew
    set -e __voice_terminal_told
    __voice_terminal_tell
end

function __voice_terminal_prompt --on-event fish_prompt
    __voice_terminal_tell
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

# Voice-terminal asks for it, for an empty one, or for the names, by keys that no keyboard is likely to send:
# control alt shift F12, F11 and F10.
for mode in default insert visual
    bind --mode $mode \e\[24\;8~ __voice_terminal_line
    bind --mode $mode \e\[23\;8~ __voice_terminal_clear
    bind --mode $mode \e\[21\;8~ __voice_terminal_tell_anew
end
