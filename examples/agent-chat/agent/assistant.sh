#!/bin/sh
# An agent without wits that speaks the Agent Client Protocol: it makes a page about what it is asked for, and serves it. It is a
# script in the VM's shell, so that the example needs neither a key nor an image.
number=0 calls=0

of() { # of FILTER: a part of the message in $line
    printf '%s' "$line" | jq -rc "$1"
}

update() { # update JSON
    printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%s}}\n' "$1"
}

say() { # say TEXT: a word at a time
    for word in $1; do
        update "$(jq -cn --arg text "$word " '{sessionUpdate: "agent_message_chunk", content: {type: "text", text: $text}}')"
        sleep 0.02
    done
}

ask() { # ask METHOD PARAMS: the answer is in $line
    number=$((number + 1))
    printf '{"jsonrpc":"2.0","id":"q%s","method":"%s","params":%s}\n' "$number" "$1" "$2"
    while IFS= read -r line; do
        case $line in *"\"q$number\""*) return ;; esac
    done
}

# may KIND TITLE CONTENT LOCATIONS: shows a call of a tool, and asks whether it may be made
may() {
    calls=$((calls + 1))
    update "$(jq -cn --arg id "call-$calls" --arg kind "$1" --arg title "$2" --argjson content "$3" --argjson locations "$4" \
        '{sessionUpdate: "tool_call", toolCallId: $id, status: "pending", kind: $kind, title: $title, content: $content, locations: $locations}')"
    ask session/request_permission '{"sessionId":"s","toolCall":{"toolCallId":"call-'$calls'"},"options":[{"optionId":"yes","name":"Allow once","kind":"allow_once"},{"optionId":"no","name":"Reject","kind":"reject_once"}]}'
    case $(of '.result.outcome | .optionId // .outcome') in
    yes) became in_progress ;;
    cancelled) became failed; reason=cancelled; return 1 ;;
    *) became failed; say "All right, I leave that."; return 1 ;;
    esac
}

became() { # became STATUS: of the last call
    update '{"sessionUpdate":"tool_call_update","toolCallId":"call-'$calls'","status":"'$1'"}'
}

make_page() { # make_page TOPIC
    path=/home/user/site/index.html
    page="<!doctype html><meta charset=utf-8><title>$1</title><style>body{font:1.2rem sans-serif;margin:3rem;background:#eef6f0}</style>
<h1>All about $1</h1><p>Made in a virtual machine, by an agent without wits.</p>"
    say "A page about $1: I write it, and then I serve it at port 8080."
    change=$(jq -cn --arg path "$path" --arg text "$page" '[{type: "diff", path: $path, oldText: null, newText: $text}]')
    may edit "Write $path" "$change" "[{\"path\":\"$path\"}]" || return
    mkdir -p /home/user/site
    ask fs/write_text_file "$(jq -cn --arg path "$path" --arg content "$page" '{sessionId: "s", path: $path, content: $content}')"
    if [ "$(of '.error.message // empty')" ]; then
        became failed
        say "That did not work: $(of .error.message)"
        return
    fi
    became completed
    if ! curl -s -o /dev/null http://127.0.0.1:8080/; then
        may execute "httpd -p 8080 /home/user/site" '[]' '[]' || return
        ask terminal/create '{"sessionId":"s","command":"httpd","args":["-q","-p","8080","/home/user/site"]}'
        until curl -s -o /dev/null http://127.0.0.1:8080/; do sleep 0.05; done
        became completed
    fi
    say "Your page about $1 is ready."
}

list_files() {
    may read "List /home/user" '[]' '[{"path":"/home/user"}]' || return
    became completed
    say "There are $(find /home/user -type f | wc -l) files: $(find /home/user -type f | tr '\n' ' ')"
}

prompt() {
    reason=end_turn
    text=$(of '[.params.prompt[] | .text // empty] | last' | tr -d '<>&"')
    case $text in
    *" about "*) make_page "${text##* about }" ;;
    *[Ff]iles*) list_files ;;
    *) say "I make pages: say \"Make a page about otters\". I can also say which files there are." ;;
    esac
}

while IFS= read -r line; do
    id=$(of .id)
    case $(of .method) in
    initialize) result='{"protocolVersion":1,"agentCapabilities":{},"agentInfo":{"name":"assistant","title":"Assistant without wits","version":"1"}}' ;;
    session/new) result='{"sessionId":"s"}' ;;
    session/prompt)
        prompt
        result='{"stopReason":"'$reason'"}'
        ;;
    *) [ "$id" = null ] || printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}\n' "$id"; continue ;;
    esac
    printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
