greet() { echo "hi $1"; if true; then echo x; fi; }
declare -f greet
