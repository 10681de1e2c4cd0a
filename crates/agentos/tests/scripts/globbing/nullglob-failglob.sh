shopt -s nullglob; echo x* end; shopt -u nullglob; echo x*; (shopt -s failglob; echo x*; echo no); echo $?
