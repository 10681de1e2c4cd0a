echo x | { cat; exit 9; }; echo "$? still here"
