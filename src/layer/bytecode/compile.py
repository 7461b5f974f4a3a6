# Compiles python sources to bytecode that is fresh for ever (PEP 552, unchecked hash). Nothing of a source is run.
# In: blocks of path and bytes in turn. Out: the interpreter's tag, then per source a mark (0: bytecode follows,
# 1: why there is none) and a block. A block is its length in eight bytes, little-endian, and as many bytes.
import sys, marshal, _imp
import _frozen_importlib_external as loader

key = int.from_bytes(loader.MAGIC_NUMBER, "little")
head = loader.MAGIC_NUMBER + (1).to_bytes(4, "little")
read, write = sys.stdin.buffer.read, sys.stdout.buffer.write


def take():
    size = read(8)
    return read(int.from_bytes(size, "little")) if size else None


def give(block):
    write(len(block).to_bytes(8, "little"))
    write(block)


give(sys.implementation.cache_tag.encode())
while (path := take()) is not None:
    source = take()
    try:
        code = compile(source, path.decode(), "exec", dont_inherit=True, optimize=0)
        block = head + _imp.source_hash(key, source) + marshal.dumps(code)
        mark = b"\0"
    except Exception as error:
        block = f"{type(error).__name__}: {error}".encode(errors="replace")
        mark = b"\1"
    write(mark)
    give(block)
sys.stdout.buffer.flush()
