function hello { echo hi $1; }; hello there; function bye() { echo bye; }; bye
