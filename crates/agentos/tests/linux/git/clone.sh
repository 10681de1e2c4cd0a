# Cloning over files, pushing, fetching, pulling, archives, worktrees, submodules, hooks.
# needs: git
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q --bare -b main origin.git; git clone -q origin.git one 2>/dev/null; cd one; git checkout -qb main
for i in 1 2 3 4 5; do echo $i > f$i; done; git add .; git commit -qm five; git push -q origin main; cd ..
git clone -q "file://$PWD/origin.git" two; cd two; git log --oneline; echo more >> f1; git commit -qam more; git push -q; cd ../one; git pull -q; cat f1
git clone -q --depth 1 "file://$PWD/../origin.git" ../three; git -C ../three log --oneline | wc -l
git worktree add -q ../tree -b side; echo side > ../tree/side; git -C ../tree add side; git -C ../tree commit -qm side; git worktree list | wc -l; git log --oneline side; git worktree remove ../tree
printf '#!/bin/sh\necho hook ran; exit 1\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; git commit --allow-empty -m hooked; echo "status $?"; rm .git/hooks/pre-commit
git archive HEAD | tar -t; git bundle create -q ../b.bundle main; git clone -q ../b.bundle ../four -b main; git -C ../four log --oneline | wc -l
git -c protocol.file.allow=always submodule add -q ../origin.git sub 2>/dev/null; git commit -qm sub; git submodule status | cut -d' ' -f3
git format-patch -q -1 HEAD~1 --stdout | git mailinfo /dev/null /dev/null | grep -c Subject
cd ..; git clone -q ./none five; echo "status $?"; rm -rf one two three four origin.git b.bundle
