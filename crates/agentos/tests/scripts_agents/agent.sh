#!/bin/sh
# An agent in a few lines of shell: it answers prompts by their first word.
#   write PATH TEXT   asks for permission, then writes a file through the protocol
#   run COMMAND       runs a command in a terminal of the protocol and says what it wrote
#   screen            makes a terminal of 90 by 30, changes it to 120 by 40, and says what its program saw
#   die               ends in the middle
#   anything else     is said back
number=0

member() { # member NAME LINE: a text or number of that name
    printf '%s' "$2" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

update() {
    printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' "$1"
}

say() {
    update "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$1\"}}"
}

ask() { # ask METHOD PARAMS: the answer is in $answer
    number=$((number + 1))
    printf '{"jsonrpc":"2.0","id":"q%s","method":"%s","params":%s}\n' "$number" "$1" "$2"
    while IFS= read -r answer; do
        case $answer in *"\"id\":\"q$number\""*) return ;; esac
    done
}

prompt() {
    text=$(printf '%s' "$1" | sed 's/.*"text":"\([^"]*\)".*/\1/')
    set -- $text
    case $1 in
    write)
        update "{\"sessionUpdate\":\"tool_call\",\"toolCallId\":\"t1\",\"title\":\"Write $2\",\"kind\":\"edit\",\"locations\":[{\"path\":\"$2\"}]}"
        ask session/request_permission "{\"sessionId\":\"s\",\"toolCall\":{\"toolCallId\":\"t1\"},\"options\":[{\"optionId\":\"y\",\"name\":\"Yes\",\"kind\":\"allow_once\"},{\"optionId\":\"n\",\"name\":\"No\",\"kind\":\"reject_once\"}]}"
        case $answer in
        *'"optionId":"y"'*)
            ask fs/write_text_file "{\"sessionId\":\"s\",\"path\":\"$2\",\"content\":\"$3\"}"
            case $answer in *'"error"'*) say "failed: $(member message "$answer")" ;; *) say written ;; esac
            ;;
        *) say refused ;;
        esac
        ;;
    run)
        shift
        ask terminal/create "{\"sessionId\":\"s\",\"command\":\"$*\"}"
        terminal=$(member terminalId "$answer")
        ask terminal/wait_for_exit "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
        ask terminal/output "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
        say "$(printf '%s' "$answer" | sed 's/.*"output":"\([^"]*\)".*/\1/')"
        ask terminal/release "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
        ;;
    screen)
        ask terminal/create '{"sessionId":"s","command":"test -t 0 && stty size; read line; stty size","cols":90,"rows":30}'
        terminal=$(member terminalId "$answer")
        answer=
        while :; do
            ask terminal/output "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
            case $answer in *'30 90'*) break ;; *'"exitStatus":{'*) break ;; esac
        done
        ask terminal/resize "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\",\"cols\":120,\"rows\":40}"
        ask terminal/write "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\",\"data\":\"\\n\"}"
        ask terminal/wait_for_exit "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
        ask terminal/output "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
        say "$(printf '%s' "$answer" | sed 's/.*"output":"\([^"]*\)".*/\1/; s/\\[rn]/ /g')"
        ;;
    die)
        echo "last words" >&2
        exit 9
        ;;
    *) say "$text" ;;
    esac
}

while IFS= read -r line; do
    id=$(member id "$line")
    case $line in
    *'"method":"initialize"'*) result='{"protocolVersion":1,"agentCapabilities":{},"agentInfo":{"name":"script","version":"1"}}' ;;
    *'"method":"session/new"'*) result='{"sessionId":"s"}' ;;
    *'"method":"session/prompt"'*)
        prompt "$line"
        result='{"stopReason":"end_turn"}'
        ;;
    *) continue ;;
    esac
    printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
