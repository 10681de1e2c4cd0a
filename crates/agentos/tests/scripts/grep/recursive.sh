mkdir -p d/e; echo hit > d/a; echo miss > d/b; echo hit > d/e/c; grep -r hit d | sort; grep -rl hit d | sort; grep -r --include=c hit d; grep -rc hit d | sort
