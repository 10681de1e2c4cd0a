#!/bin/sh
# An agent for tests that speaks the Agent Client Protocol, in the shell of the VM. What it does is said by the prompt:
#   count N           says the numbers from 1 to N, each in a message of its own
#   write PATH TEXT   asks for permission, then writes a file through the protocol
#   run COMMAND       runs a command in a terminal of the protocol and says what it wrote
#   wait              goes on until it is cancelled
#   complain TEXT     writes to standard error
#   env NAME          says the value of a variable
#   instructions      says its system prompt
#   die               ends in the middle
#   anything else     is said back
number=0 mode=ask model=small

of() { # of FILTER: a part of the message in $line
    printf '%s' "$line" | jq -rc "$1"
}

update() { # update JSON
    printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' "$1"
}

say() { # say TEXT
    update "$(jq -cn --arg text "$1" '{sessionUpdate: "agent_message_chunk", content: {type: "text", text: $text}}')"
}

ask() { # ask METHOD PARAMS: the answer is in $line
    number=$((number + 1))
    printf '{"jsonrpc":"2.0","id":"q%s","method":"%s","params":%s}\n' "$number" "$1" "$2"
    while IFS= read -r line; do
        case $line in *"\"q$number\""*) return ;; esac
    done
}

count() {
    at=0
    while [ "$at" -lt "$1" ]; do
        at=$((at + 1))
        update '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$at"' "}}'
    done
}

write() { # write PATH TEXT
    update "$(jq -cn --arg path "$1" '{sessionUpdate: "tool_call", toolCallId: "t1", title: "Write \($path)", kind: "edit", locations: [{path: $path}]}')"
    ask session/request_permission '{"sessionId":"s","toolCall":{"toolCallId":"t1"},"options":[{"optionId":"y","name":"Yes","kind":"allow_once"},{"optionId":"n","name":"No","kind":"reject_once"}]}'
    if [ "$(of '.result.outcome.optionId')" != y ]; then
        say refused
        return
    fi
    ask fs/write_text_file "$(jq -cn --arg path "$1" --arg content "$2" '{sessionId: "s", path: $path, content: $content}')"
    say "$(of '.error.message // "written"')"
}

run() { # run COMMAND
    ask terminal/create "$(jq -cn --arg command "$1" '{sessionId: "s", command: $command}')"
    terminal=$(of '{sessionId: "s", terminalId: .result.terminalId}')
    ask terminal/wait_for_exit "$terminal"
    ask terminal/output "$terminal"
    say "$(of .result.output)"
    ask terminal/release "$terminal"
}

until_cancelled() {
    while IFS= read -r line; do
        case $line in *'"session/cancel"'*) reason=cancelled; return ;; esac
    done
}

prompt() {
    reason=end_turn
    text=$(of '[.params.prompt[].text] | last')
    set -- $text
    case $1 in
    count) count "$2" ;;
    write) write "$2" "$3" ;;
    run) shift; run "$*" ;;
    wait) say waiting; until_cancelled ;;
    complain) shift; echo "$*" >&2; say complained ;;
    env) say "$(printenv "$2")" ;;
    instructions) say "$(cat "$AGENTOS_INSTRUCTIONS")" ;;
    die) echo "last words" >&2; exit 9 ;;
    *) say "$text" ;;
    esac
}

state() {
    printf '{"currentModeId":"%s","availableModes":[{"id":"ask","name":"Ask"},{"id":"act","name":"Act"}]}' "$mode"
}

models() {
    printf '{"currentModelId":"%s","availableModels":[{"modelId":"small","name":"Small"},{"modelId":"large","name":"Large"}]}' "$model"
}

while IFS= read -r line; do
    id=$(of .id) method=$(of .method) result=
    case $method in
    initialize) result='{"protocolVersion":1,"agentCapabilities":{"promptCapabilities":{"image":true}},"agentInfo":{"name":"tester","version":"1.2"}}' ;;
    session/new) result='{"sessionId":"s","modes":'$(state)',"models":'$(models)'}' ;;
    session/set_mode) mode=$(of .params.modeId) result='{}' ;;
    session/set_model) model=$(of .params.modelId) result='{}' ;;
    session/prompt)
        prompt
        result='{"stopReason":"'$reason'"}'
        ;;
    _tests/echo) result=$(of '.params | tojson') ;;
    *) [ "$id" = null ] || printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}\n' "$id"; continue ;;
    esac
    printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
