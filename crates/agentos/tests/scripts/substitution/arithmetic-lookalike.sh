echo $( (echo sub) ) $((1)) $( ( (echo x) ) )
