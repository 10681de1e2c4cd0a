# In a VM with Pi: it is linked, loads extensions that import its packages, and what npm has brought can be started as well.
export PI_OFFLINE=1 ANTHROPIC_API_KEY=none
case $(readlink /usr/local/bin/pi) in ../lib/agentos/linked/pi/*) ;; *) echo 'pi is not linked'; exit 1 ;; esac
# What it seldom calls is in none of its files: the compiler of extensions, and what knows the languages of code.
if grep -l 'jiti/dist/babel.cjs"(\|highlight.js/lib/core.js"(' /usr/local/lib/agentos/linked/pi/lib/pi/*.js; then echo 'was linked'; exit 1; fi
mkdir -p ~/.pi/agent/extensions
cat >~/.pi/agent/extensions/told.ts <<'TS'
import { Type } from "typebox";
import { VERSION } from "@mariozechner/pi-coding-agent";
import { getModels } from "@mariozechner/pi-ai";
import { Text } from "@mariozechner/pi-tui";
export default function (pi: any) {
  const description = `of ${VERSION}, ${getModels("anthropic").length > 0}, ${Type.String().type}, ${typeof Text}`;
  pi.registerCommand("told", { description, handler: async () => {} });
}
TS
for unlinked in '' 1; do
    echo '{"type":"get_commands","id":"1"}' | AGENTOS_UNLINKED=$unlinked pi --mode rpc >answer 2>&1
    grep -q '"description":"of [0-9.]*, true, string, function"' answer || { echo "AGENTOS_UNLINKED=$unlinked:"; head -c 2000 answer; exit 1; }
done
