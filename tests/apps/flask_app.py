"""The framework application in Flask."""

import hashlib
import os
import tempfile

import framework
import testsync
from flask import Flask, Response, jsonify, make_response, request, send_file
from flask import redirect as redirect_to

app = Flask(__name__)


@app.get("/")
def home():
    return framework.HOME


@app.get("/gate/<name>")
def gate(name):
    testsync.gate(name)
    return Response("passed", content_type="text/plain")


@app.post("/upload")
def upload():
    file = request.files["file"]
    content = file.read()
    digest = hashlib.sha256(content).hexdigest()
    return jsonify(name=file.filename, size=len(content), sha256=digest, note=request.form["note"])


@app.get("/stream")
def stream():
    return Response(framework.events(), content_type="text/event-stream")


@app.get("/file")
def file():
    name = framework.make_file(tempfile.gettempdir())
    response = send_file(name, mimetype="application/octet-stream")
    os.unlink(name)
    return response


@app.get("/error")
def error():
    raise RuntimeError(framework.FAILURE)


@app.route("/echo/<word>", methods=["GET", "POST", "PUT"])
def echo(word):
    return jsonify(
        method=request.method,
        word=word,
        query=request.args.getlist("q"),
        header=request.headers.get("X-Test"),
        body=request.get_data(as_text=True),
        url=request.base_url,
    )


@app.get("/cookies")
def cookies():
    response = make_response("cookies")
    response.set_cookie("one", "1")
    response.set_cookie("two", request.cookies.get("in", "none"))
    return response


@app.get("/redirect")
def redirect():
    return redirect_to("/")


@app.get("/no-content")
def no_content():
    return "", 204
