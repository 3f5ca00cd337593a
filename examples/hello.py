"""The smallest app. In one terminal `tq -A hello worker`, in another `python hello.py`."""

from tq import TQ

app = TQ("hello")


@app.task
def greet(name: str) -> str:
    return f"Hello, {name}!"


if __name__ == "__main__":
    print(greet.delay("world").get(timeout=30))
