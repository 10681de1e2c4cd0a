a=hello; b=; e=äöü
echo ${#a} ${#b} ${#e} ${#undefined}
set -- x yy zzz
echo ${#@} ${#*} ${#} ${#3}
