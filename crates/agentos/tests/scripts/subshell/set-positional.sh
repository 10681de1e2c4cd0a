set -- a b; (set -- x y z; echo $#); echo $#
