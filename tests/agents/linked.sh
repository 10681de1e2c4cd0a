# In a VM with Pi: it is linked, loads extensions that import its packages, and what npm has brought can be started as well.
export PI_OFFLINE=1 ANTHROPIC_API_KEY=none
case $(readlink /usr/local/bin/pi) in ../lib/agentos/linked/pi/*) ;; *) echo 'pi is not linked'; exit 1 ;; esac
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
