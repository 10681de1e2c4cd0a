# A project of several files with a library, built by make, built again after a change, and run.
# needs: gcc make ar
mkdir src; cd src
printf 'int add(int a, int b);\nextern const char *name;\n' > lib.h
printf '#include "lib.h"\nconst char *name = "lib";\nint add(int a, int b) { return a + b; }\n' > lib.c
printf '#include <stdio.h>\n#include <math.h>\n#include <pthread.h>\n#include "lib.h"\nstatic void *run(void *x) { *(int *)x = add(20, 22); return 0; }\nint main(int c, char **v) { pthread_t t; int r = 0; pthread_create(&t, 0, run, &r); pthread_join(t, 0); printf("%%s %%d %%d %%.3f\\n", name, r, c, sqrt(2)); return c; }\n' > main.c
printf 'CFLAGS = -O1 -Wall -g0\nall: static dynamic\nlib.o main.o: lib.h\nliblib.a: lib.o\n\t$(AR) rcs $@ $^\nliblib.so: lib.c\n\t$(CC) -shared -fPIC -o $@ $<\nstatic: main.o liblib.a\n\t$(CC) -o $@ $^ -lm -lpthread\ndynamic: main.o liblib.so\n\t$(CC) -o $@ main.o -L. -llib -lm -lpthread -Wl,-rpath,$(CURDIR)\nclean:\n\trm -f *.o *.a *.so static dynamic\n.PHONY: all clean\n' > Makefile
make -s; echo "made $?"; ./static a; echo $?; ./dynamic; echo $?; make -s -q; echo "up to date $?"
sed -i 's/"lib"/"changed"/' lib.c; make -s -j4; ./static; ./dynamic; gcc -static -o s main.c lib.c -lm && ./s; file s 2>/dev/null | cut -d, -f1
echo 'int main( {' > bad.c; gcc bad.c 2>/dev/null; echo "bad $?"; make -s nothing 2>&1 | sed 's/^make.*: \*\*\*/***/'
echo 'int f(int x) { return x * 2; }' | gcc -O2 -S -x c - -o - | grep -c ret; nm liblib.a | grep -c ' T add'; objdump -d static | grep -c '<main>:'; ldd ./dynamic | grep -c liblib
printf '#include <iostream>\n#include <vector>\nint main() { std::vector<int> v{1,2,3}; int s = 0; for (int x : v) s += x; try { throw s; } catch (int e) { std::cout << e << std::endl; } }\n' > x.cpp
if command -v g++ >/dev/null; then g++ -o x x.cpp && ./x; fi
make -s clean; ls; cd ..; rm -rf src
