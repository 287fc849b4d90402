from flask import Flask

import visits

application = Flask(__name__)


@application.route("/")
def index():
    return f"visit {visits.visit()}\n"
