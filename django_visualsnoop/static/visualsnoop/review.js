/* The page that reviews a group of copies: keyboard, marks in pictures, and comparing two of them.
   The page works without this script. */

(() => {
    "use strict";

    const root = document.querySelector(".visualsnoop-review");
    if (root) {
        const choices = new Choices(root);
        markChanges(root);
        const pictures = readPictures(root);
        const comparison = pictures.length > 1
            ? new Comparison(root.querySelector(".visualsnoop-compare"), pictures) : null;
        listen(root, choices, comparison);
    } else {
        // Browsers do it themselves only when they draw the page; a key may come before.
        document.querySelector("[autofocus]")?.focus();
        document.addEventListener("keydown", event => {
            if (event.key === "Escape") document.querySelector("[data-key=back]")?.click();
        });
    }

    /** The radio buttons of all pictures; unsent ones survive a visit to another page. */
    function Choices(root) {
        const groups = [...root.querySelectorAll(".visualsnoop-choice")]
            .map(group => [...group.querySelectorAll("input")]);
        const key = `visualsnoop-choices-${root.dataset.group}`;
        const store = () => sessionStorage.setItem(key, JSON.stringify(
            groups.map(inputs => inputs.find(input => input.checked)?.value)));

        if (!groups.length) sessionStorage.removeItem(key);
        JSON.parse(sessionStorage.getItem(key) ?? "[]").forEach((value, number) => {
            groups[number]?.forEach(input => { input.checked = input.value === value; });
        });
        root.querySelector("#visualsnoop-form").addEventListener("change", store);
        root.querySelector("#visualsnoop-form").addEventListener("submit", store);

        this.turn = number => {
            const inputs = groups[number];
            if (!inputs) return;
            const next = (inputs.findIndex(input => input.checked) + 1) % inputs.length;
            inputs[next].checked = true;
            inputs[next].focus();
            store();
        };
        this.propose = () => {
            groups.forEach((inputs, number) => {
                const value = number === 0 ? "keep" : "remove";
                inputs.forEach(input => { input.checked = input.value === value; });
            });
            store();
        };
    }

    /** Mark the part of each picture that differs from the proposed one. */
    function markChanges(root) {
        root.querySelectorAll(".visualsnoop-member[data-changed]").forEach(member => {
            const sides = member.dataset.changed.split(" ").map(Number);
            const picture = member.querySelector(".visualsnoop-picture img");
            if (sides.length < 4 || !picture) return;
            const mark = document.createElement("span");
            mark.className = "visualsnoop-mark";
            picture.parentElement.append(mark);
            const place = () => {
                const box = fit(picture);
                mark.style.left = `${box.left + box.width * sides[0] / 100}px`;
                mark.style.top = `${box.top + box.height * sides[1] / 100}px`;
                mark.style.width = `${box.width * sides[2] / 100}px`;
                mark.style.height = `${box.height * sides[3] / 100}px`;
            };
            picture.addEventListener("load", place);
            new ResizeObserver(place).observe(picture);
        });
    }

    /** Return where "object-fit: contain" shows a picture inside its element. */
    function fit(picture) {
        const scale = Math.min(picture.clientWidth / (picture.naturalWidth || 1),
                               picture.clientHeight / (picture.naturalHeight || 1));
        const width = picture.naturalWidth * scale, height = picture.naturalHeight * scale;
        return {
            left: picture.offsetLeft + (picture.clientWidth - width) / 2,
            top: picture.offsetTop + (picture.clientHeight - height) / 2,
            width, height,
        };
    }

    /** The maps lead from each picture to the proposed one, in shares of widths and heights. */
    function readPictures(root) {
        return [...root.querySelectorAll(".visualsnoop-member")]
            .filter(member => member.dataset.picture)
            .map((member, number) => {
                const values = member.dataset.matrix.split(" ").map(Number);
                const own = member.dataset.proposed === "1" ? [1, 0, 0, 1, 0, 0] : null;
                return {
                    name: `${number + 1}. ${member.dataset.name}`,
                    url: member.dataset.picture,
                    map: values.length === 6 ? new DOMMatrix(values) : own && new DOMMatrix(own),
                };
            });
    }

    /** Two pictures, side by side or over each other, with one zoom for both. */
    function Comparison(section, pictures) {
        const stages = section.querySelector(".visualsnoop-stages");
        const selects = [...section.querySelectorAll("select")];
        const slider = section.querySelector("input[type=range]");
        const modes = [...section.querySelectorAll("[name=visualsnoop-mode]")];
        const view = {zoom: 1, x: 0, y: 0};
        let timer = null;
        let images = [];

        selects.forEach((select, number) => {
            pictures.forEach((picture, place) => select.add(new Option(picture.name, place)));
            select.selectedIndex = number;
            select.addEventListener("change", build);
        });
        modes.forEach(mode => mode.addEventListener("change", build));
        slider.addEventListener("input", place);
        section.querySelectorAll("[data-zoom]").forEach(button =>
            button.addEventListener("click", () => this.zoom(button.dataset.zoom)));
        stages.addEventListener("wheel", event => {
            if (!event.ctrlKey && !event.metaKey) return;
            event.preventDefault();
            this.zoom(event.deltaY < 0 ? "in" : "out");
        }, {passive: false});
        stages.addEventListener("pointerdown", event => {
            stages.setPointerCapture(event.pointerId);
            const move = moved => {
                view.x += moved.movementX;
                view.y += moved.movementY;
                place();
            };
            stages.addEventListener("pointermove", move);
            stages.addEventListener("pointerup",
                () => stages.removeEventListener("pointermove", move), {once: true});
        });
        new ResizeObserver(place).observe(stages);
        section.hidden = false;
        build();

        this.zoom = direction => {
            const factor = {in: 1.5, out: 1 / 1.5, fit: 1 / view.zoom}[direction];
            const zoom = Math.min(20, Math.max(1, view.zoom * factor));
            view.x *= zoom / view.zoom;
            view.y *= zoom / view.zoom;
            view.zoom = zoom;
            if (zoom === 1) view.x = view.y = 0;
            place();
        };
        this.nextMode = () => {
            const now = modes.findIndex(mode => mode.checked);
            modes[(now + 1) % modes.length].checked = true;
            build();
        };
        this.nextPicture = () => {
            const select = selects[1];
            do select.selectedIndex = (select.selectedIndex + 1) % pictures.length;
            while (select.selectedIndex === selects[0].selectedIndex && pictures.length > 1);
            build();
        };

        function getMode() {
            return modes.find(mode => mode.checked).value;
        }

        /** Show the chosen pictures anew. */
        function build() {
            const mode = getMode();
            const chosen = selects.map(select => pictures[select.selectedIndex]);
            clearInterval(timer);
            stages.replaceChildren();
            stages.dataset.mode = mode;
            slider.parentElement.hidden = mode !== "slider";
            section.querySelector("[data-note]").hidden = chosen.every(one => one.map);
            images = chosen.map((picture, number) => {
                const stage = document.createElement("div");
                stage.className = "visualsnoop-stage";
                const image = document.createElement("img");
                image.alt = picture.name;
                image.draggable = false;
                image.addEventListener("load", place);
                image.src = picture.url;
                stage.append(image);
                stages.append(stage);
                return {stage, image, picture, number};
            });
            if (mode === "blink") {
                timer = setInterval(() => images[1].stage.classList.toggle("visualsnoop-off"), 700);
            }
            place();
        }

        /** Lay both pictures over each other. */
        function place() {
            if (images.some(one => !one.image.naturalWidth)) return;
            const [left, right] = images;
            const {clientWidth: width, clientHeight: height} = left.stage;
            const base = left.image;
            const scale = Math.min(width / base.naturalWidth, height / base.naturalHeight);
            const size = [base.naturalWidth * scale, base.naturalHeight * scale];
            const shown = new DOMMatrix()
                .translate(width / 2 + view.x, height / 2 + view.y)
                .scale(view.zoom)
                .translate(-size[0] / 2, -size[1] / 2);
            put(left.image, shown.scale(scale));
            const between = left.picture.map && right.picture.map
                ? left.picture.map.inverse().multiply(right.picture.map) : new DOMMatrix();
            // From pixels of the right picture to shares, to shares of the left one, to the screen.
            put(right.image, shown.scale(size[0], size[1]).multiply(between)
                .scale(1 / right.image.naturalWidth, 1 / right.image.naturalHeight));
            right.stage.style.clipPath = getMode() === "slider"
                ? `inset(0 0 0 ${slider.value}%)` : "";
        }

        function put(image, matrix) {
            image.style.width = `${image.naturalWidth}px`;
            image.style.height = `${image.naturalHeight}px`;
            image.style.transform = matrix.toString();
        }
    }

    function listen(root, choices, comparison) {
        const help = root.querySelector("dialog");
        const press = key => root.querySelector(`[data-key=${key}]`)?.click();
        root.querySelectorAll("[data-key][hidden]").forEach(button => { button.hidden = false; });
        // Or the focus may stay on the button of the closed dialog, and Enter would press it.
        help.addEventListener("close", () => help.querySelector("button").blur());
        root.querySelector("[data-key=help]").addEventListener("click", () => help.showModal());
        root.querySelector("[data-key=propose]")?.addEventListener("click", choices.propose);
        const actions = {
            "?": () => help.showModal(),
            p: choices.propose, a: () => press("keep-all"), n: () => press("apart-all"),
            j: () => press("next"), k: () => press("previous"), l: () => press("list"),
            u: () => press("undo"), Enter: () => press("continue"),
            c: () => comparison?.nextMode(), x: () => comparison?.nextPicture(),
            "+": () => comparison?.zoom("in"), "-": () => comparison?.zoom("out"),
            0: () => comparison?.zoom("fit"),
        };
        document.addEventListener("keydown", event => {
            const busy = event.target.closest("select, textarea, input:not([type=radio]), dialog[open]");
            const pressed = event.target.closest("a, button") && event.key === "Enter";
            if (busy || pressed || event.ctrlKey || event.metaKey || event.altKey) return;
            if (/^[1-9]$/.test(event.key)) choices.turn(Number(event.key) - 1);
            else if (event.key in actions) actions[event.key]();
            else return;
            event.preventDefault();
        });
    }
})();
