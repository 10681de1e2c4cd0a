echo *.nothing [z-a]x 'lit'*
