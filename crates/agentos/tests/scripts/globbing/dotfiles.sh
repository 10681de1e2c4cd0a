touch .hidden visible; echo *; echo .h*; shopt -s dotglob; echo *
