# Commits, branches, merges with and without conflicts, history.
# needs: git
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q -b main repo; cd repo
echo one > a; echo two > b; mkdir d; echo deep > d/c; git add .; git commit -qm first; git log --format='%H %s'
git checkout -qb topic; echo topic >> a; git commit -qam topic; git checkout -q main; echo main >> b; git commit -qam main
git merge -q -m merged topic; git log --graph --format='%h %s'; cat a b
git checkout -qb left; echo left > a; git commit -qam left; git checkout -q main; echo right > a; git commit -qam right
git merge left; echo "status $?"; cat a; git status --short; git checkout --theirs a; git add a; git commit -qm solved; git show --stat --format=%s
git mv b moved; git rm -q d/c; git status --short; git commit -qm moved; git diff --stat HEAD~1; git diff HEAD~1 | head -n 20
echo dirty >> a; git stash -q; git status --short; git stash pop -q; git diff; git checkout -q a
git tag -a v1 -m tag; git describe; git show v1 --format=%s | head -n 3
git rebase -q HEAD~2 || git rebase --abort; git cherry-pick --allow-empty -x topic >/dev/null 2>&1; git status --short; git cherry-pick --abort 2>/dev/null
git reset -q --hard HEAD~1; git reflog | wc -l; git branch -a; git blame a | cut -c1-8 | wc -l
git config user.name B; git config --get user.name; git grep -n right; git ls-files -s; git cat-file -p HEAD | head -n 2
git bisect start -q HEAD HEAD~1 >/dev/null; git bisect reset -q; git fsck; git count-objects | cut -d' ' -f2
cd ..; rm -rf repo
