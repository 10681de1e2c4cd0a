touch Abc aBC xyz; shopt -s nocaseglob; echo a*
