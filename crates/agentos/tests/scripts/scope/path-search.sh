mkdir bin; printf '#!/bin/sh\necho mine $1\n' > bin/tool; chmod +x bin/tool; PATH=$PWD/bin:$PATH; tool a; hash -r; chmod -x bin/tool; ./bin/tool; echo $?
