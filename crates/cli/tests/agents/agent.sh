#!/bin/sh
# An agent in a few lines of shell, for the tests of `agentos chat`. It answers prompts by their first word:
#   markdown      says something with headings, lists and code
#   evil          tries to control the terminal by everything that it says
#   edit PATH     asks for permission to change a file, and says what came of it
#   wait          does nothing until it is cancelled
#   fail          answers with an error
#   anything else is said back
number=0

update() {
    printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' "$1"
}

say() {
    update "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"$1\"}}"
}

evil() {
    evil='\u001b]0;owned\u0007\u001b[2J\u009b31m\u001b[?1049h'
    say "before $evil &#27;[2Jafter"
    update "{\"sessionUpdate\":\"tool_call\",\"toolCallId\":\"e\",\"title\":\"tool $evil\",\"kind\":\"read$evil\",\"status\":\"completed\",\"content\":[{\"type\":\"content\",\"content\":{\"type\":\"text\",\"text\":\"out $evil\"}},{\"type\":\"diff\",\"path\":\"$evil\",\"oldText\":\"a\",\"newText\":\"$evil\"}]}"
    update "{\"sessionUpdate\":\"current_mode_update\",\"currentModeId\":\"mode$evil\"}"
    update "{\"sessionUpdate\":\"agent_thought_chunk\",\"content\":{\"type\":\"text\",\"text\":\"thought $evil\"}}"
}

edit() {
    update "{\"sessionUpdate\":\"tool_call\",\"toolCallId\":\"t$number\",\"title\":\"Change $1\",\"kind\":\"edit\",\"status\":\"pending\",\"locations\":[{\"path\":\"$1\"}],\"content\":[{\"type\":\"diff\",\"path\":\"$1\",\"oldText\":\"old line\\n\",\"newText\":\"new line\\n\"}]}"
    tool="t$number"
    number=$((number + 1))
    printf '{"jsonrpc":"2.0","id":"q%s","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"%s"},"options":[{"optionId":"yes","name":"Yes","kind":"allow_once"},{"optionId":"no","name":"No","kind":"reject_once"}]}}\n' "$number" "$tool"
    while IFS= read -r answer; do
        case $answer in *"\"id\":\"q$number\""*) break ;; esac
    done
    case $answer in
    *'"optionId":"yes"'*)
        update "{\"sessionUpdate\":\"tool_call_update\",\"toolCallId\":\"$tool\",\"status\":\"completed\"}"
        say "the change was allowed"
        ;;
    *)
        update "{\"sessionUpdate\":\"tool_call_update\",\"toolCallId\":\"$tool\",\"status\":\"failed\"}"
        say "the change was refused"
        ;;
    esac
}

answer() { # answer ID MEMBER
    printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$1" "$2"
}

prompt() {
    text=$(printf '%s' "$1" | sed 's/.*"text":"\([^"]*\)".*/\1/')
    set -- $text
    result='"result":{"stopReason":"end_turn"}'
    case $1 in
    markdown) say '# Title\n\nSome **bold** words.\n\n- one\n- two\n\n```\ncode  here\n```\n' ;;
    evil) evil ;;
    edit) edit "$2" ;;
    wait)
        say 'waiting now'
        while IFS= read -r line; do
            case $line in *'"session/cancel"'*) break ;; esac
        done
        result='"result":{"stopReason":"cancelled"}'
        ;;
    fail) result='"error":{"code":-32603,"message":"it went wrong"}' ;;
    *) say "you said: $text" ;;
    esac
}

while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    case $line in
    *'"method":"initialize"'*) answer "$id" '"result":{"protocolVersion":1,"agentCapabilities":{},"agentInfo":{"name":"test","version":"1"}}' ;;
    *'"method":"session/new"'*) answer "$id" '"result":{"sessionId":"s","modes":{"currentModeId":"ask","availableModes":[{"id":"ask","name":"Ask first"},{"id":"auto","name":"Do it"}]}}' ;;
    *'"method":"session/set_mode"'*) answer "$id" '"result":{}' ;;
    *'"method":"session/prompt"'*)
        prompt "$line"
        answer "$id" "$result"
        ;;
    *) continue ;;
    esac
done
