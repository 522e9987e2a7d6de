"use strict";
// The page is whole without this script. It adds exact amounts to the charts, and sorts and filters the table. Amounts are
// never read as Number, which would round them.
(() => {
  const element = (name, parent, text = "", className = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    parent?.append(made);
    return made;
  };

  // ---- exact decimals ----

  // A number as its sign, its digits and the power of ten of the last one; null for what is none.
  const read = (text) => {
    const parts = /^([-+]?)(\d+)(?:\.(\d+))?(?:e([-+]?\d+))?$/.exec(text);
    if (!parts) return null;
    const [, sign, whole, fraction = "", exponent = "0"] = parts;
    const digits = (whole + fraction).replace(/^0+/, "");
    return { negative: sign === "-" && digits !== "", digits, power: parseInt(exponent, 10) - fraction.length };
  };

  const compareSizes = (one, other) => {
    if (!one.digits || !other.digits) return Math.sign(one.digits.length - other.digits.length);
    const places = one.digits.length + one.power - (other.digits.length + other.power);
    if (places) return Math.sign(places);
    const length = Math.max(one.digits.length, other.digits.length);
    const [a, b] = [one.digits.padEnd(length, "0"), other.digits.padEnd(length, "0")];
    return a < b ? -1 : a > b ? 1 : 0;
  };

  const compareNumbers = (one, other) => {
    if (one.negative !== other.negative) return one.negative ? -1 : 1;
    return one.negative ? compareSizes(other, one) : compareSizes(one, other);
  };

  // ---- the table ----

  const table = document.querySelector("#rows table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows].map((row, order) => ({
    row,
    order,
    text: [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase(),
  }));
  const currencyAt = heads.findIndex((head) => head.textContent === "Currency");
  const cellText = (entry, at) => entry.row.cells[at].textContent.trim();
  const orders = {
    order: () => (entry) => entry.order,
    text: (at) => (entry) => cellText(entry, at),
    number: (at) => (entry) => read(cellText(entry, at).replace("< 0.1 %", "0.05").replace(/ %$/, "")),
  };
  const comparers = {
    order: (one, other) => one - other,
    text: (one, other) => one.localeCompare(other, "en", { numeric: true }),
    number: compareNumbers,
  };

  const sort = (at, descending) => {
    const kind = heads[at].dataset.sort;
    const key = orders[kind](at);
    const compare = comparers[kind];
    const keyed = rows.map((entry) => ({ entry, key: key(entry) }));
    keyed.sort((one, other) => {
      // What has no number comes last either way.
      if (one.key === null || other.key === null) return (one.key === null) - (other.key === null);
      const order = compare(one.key, other.key);
      return (descending ? -order : order) || one.entry.order - other.entry.order;
    });
    body.append(...keyed.map(({ entry }) => entry.row));
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[at].setAttribute("aria-sort", descending ? "descending" : "ascending");
  };

  heads.forEach((head, at) => {
    const title = head.textContent.trim();
    head.textContent = "";
    const button = element("button", head, title);
    button.type = "button";
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      // The largest numbers are looked for first, and the first names.
      sort(at, was ? was === "ascending" : head.dataset.sort === "number");
    });
  });

  const controls = document.getElementById("controls");
  const filter = document.getElementById("filter");
  const currency = document.getElementById("currency");
  const shown = document.getElementById("shown");
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = currency ? currency.value : "";
    let count = 0;
    for (const entry of rows) {
      const fits = words.every((word) => entry.text.includes(word)) && (!wanted || cellText(entry, currencyAt) === wanted);
      entry.row.hidden = !fits;
      count += fits;
    }
    for (const row of table.tFoot.rows) row.hidden = wanted !== "" && row.cells[currencyAt].textContent.trim() !== wanted;
    shown.textContent = count === rows.length ? `${count} rows` : `${count} of ${rows.length} rows`;
  };
  controls.hidden = false;
  controls.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", apply);
  currency?.addEventListener("change", apply);
  apply();

  // ---- the charts ----

  const data = document.getElementById("data");
  if (!data) return;
  const page = JSON.parse(data.textContent);
  const tip = document.getElementById("tip");

  // Amounts as they are packed: whole numbers of units of a decimal place, to the base of 36; or texts as they are.
  const unpack = (packed) => {
    const [places, list] = [packed.slice(0, packed.indexOf(":")), packed.slice(packed.indexOf(":") + 1)];
    return list.split(" ").map((text) => {
      if (places === "") {
        const { negative, digits, power } = read(text) ?? read("0");
        const units = BigInt(digits || "0") * 10n ** BigInt(Math.max(power, 0));
        return { units: negative ? -units : units, places: Math.max(-power, 0) };
      }
      let units = 0n;
      for (const digit of text) units = units * 36n + BigInt(parseInt(digit, 36));
      return { units, places: Number(places) };
    });
  };
  const nothing = { units: 0n, places: 0 };
  const add = (one, other) => {
    const places = Math.max(one.places, other.places);
    const scaled = (amount) => amount.units * 10n ** BigInt(places - amount.places);
    return { units: scaled(one) + scaled(other), places };
  };
  const show = ({ units, places }) => {
    const sign = units < 0n ? "-" : "";
    const digits = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
    const [whole, fraction] = [digits.slice(0, digits.length - places), digits.slice(digits.length - places)];
    const short = fraction.replace(/0+$/, "");
    return sign + whole + (short && "." + short);
  };

  const stack = (series, unit) => {
    const all = series.map(([name, className, packed]) => ({ name, className, amounts: unpack(packed) }));
    const of = { day: "", week: "week of ", month: "", year: "" }[page.grain];
    return {
      columns: page.bars.length,
      rows: 1,
      at: (place) => {
        const parts = all.map(({ name, className, amounts }) => ({ name, className, amount: amounts[place] }));
        const sum = parts.reduce((sum, { amount }) => add(sum, amount), nothing);
        return {
          title: of + page.bars[place],
          sum: `${show(sum)} ${unit}`,
          // From the top of the bar to its foot, as they stand in it.
          parts: parts.filter(({ className, amount }) => className && amount.units !== 0n).map((part) => ({ ...part, amount: show(part.amount) })).reverse(),
        };
      },
    };
  };
  const week = (packed, unit) => {
    const amounts = unpack(packed);
    const hour = (n) => `${String(n).padStart(2, "0")}:00`;
    return {
      columns: 24,
      rows: 7,
      at: (place) => ({
        title: `${page.weekdays[Math.floor(place / 24)]}, ${hour(place % 24)} to ${hour((place % 24) + 1)}`,
        sum: `${show(amounts[place])} ${unit}`,
        parts: [],
      }),
    };
  };
  const chart = (name) => {
    const [n, what] = name.split(".");
    const of = page.charts[n];
    if (what === "hours") return week(of.hours, of.currency);
    return what === "spend" ? stack(of.spend, of.currency) : stack(of.tokens, "tokens");
  };

  const say = ({ title, sum, parts }) =>
    [title, sum, ...parts.map(({ name, amount }) => `${name} ${amount}`)].join("; ");

  // What the amounts that are shown are of.
  let shownMark = null;
  const place = () => {
    // Beside it, and inside the window.
    const { left, top, width } = shownMark.getBoundingClientRect();
    const box = tip.getBoundingClientRect();
    const right = left + width + 10;
    const x = right + box.width + 8 > innerWidth ? left - box.width - 10 : right;
    tip.style.left = `${Math.max(8, Math.min(x, innerWidth - box.width - 8))}px`;
    tip.style.top = `${Math.max(8, Math.min(top + 8, innerHeight - box.height - 8))}px`;
  };

  for (const plot of document.querySelectorAll(".plot[data-chart]")) {
    const svg = plot.querySelector("svg");
    const pick = element("div", plot, "", "pick");
    const mark = element("span", pick);
    mark.hidden = true;
    let shape = null;
    let current = -1;
    const hide = () => {
      tip.hidden = true;
      mark.hidden = true;
    };
    const select = (at) => {
      shape ??= chart(plot.dataset.chart);
      current = at;
      const { columns, rows: lines } = shape;
      const found = shape.at(at);
      tip.textContent = "";
      element("strong", tip, found.title);
      element("span", tip, found.sum, "n");
      const list = found.parts.length ? element("ul", tip) : null;
      for (const { name, className, amount } of found.parts) {
        const item = element("li", list);
        element("i", item, "", `key ${className}`);
        element("bdi", item, name);
        element("span", item, amount, "n");
      }
      pick.setAttribute("aria-valuemax", columns * lines - 1);
      pick.setAttribute("aria-valuenow", at);
      pick.setAttribute("aria-valuetext", say(found));
      mark.style.left = `${((at % columns) * 100) / columns}%`;
      mark.style.width = `${100 / columns}%`;
      mark.style.top = `${(Math.floor(at / columns) * 100) / lines}%`;
      mark.style.height = `${100 / lines}%`;
      mark.hidden = false;
      tip.hidden = false;
      shownMark = mark;
      place();
    };
    const point = (event) => {
      shape ??= chart(plot.dataset.chart);
      const box = pick.getBoundingClientRect();
      const cell = (at, from, size, count) => Math.max(0, Math.min(count - 1, Math.floor(((at - from) * count) / size)));
      const column = cell(event.clientX, box.left, box.width, shape.columns);
      const line = cell(event.clientY, box.top, box.height, shape.rows);
      select(line * shape.columns + column);
    };
    // A slider over bars: what reads a screen aloud says the value at each step.
    pick.tabIndex = 0;
    pick.setAttribute("role", "slider");
    pick.setAttribute("aria-label", `${svg.getAttribute("aria-label")} Arrow keys read the amounts.`);
    pick.setAttribute("aria-valuemin", 0);
    pick.setAttribute("aria-valuemax", 0);
    pick.setAttribute("aria-valuenow", 0);
    pick.setAttribute("aria-valuetext", "no bar chosen");
    pick.addEventListener("pointermove", point);
    pick.addEventListener("pointerdown", point);
    pick.addEventListener("pointerleave", (event) => {
      // A finger that is lifted leaves the amounts where they are read.
      if (event.pointerType === "mouse") hide();
    });
    pick.addEventListener("focus", () => {
      if (pick.matches(":focus-visible")) select(Math.max(current, 0));
    });
    pick.addEventListener("blur", hide);
    pick.addEventListener("keydown", (event) => {
      shape ??= chart(plot.dataset.chart);
      const { columns, rows: lines } = shape;
      const last = columns * lines - 1;
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: lines > 1 ? columns : -1, ArrowUp: lines > 1 ? -columns : 1 };
      const to = { Home: 0, End: last };
      if (event.key === "Escape") return hide();
      if (event.key in by) {
        const next = current + by[event.key];
        if (next >= 0 && next <= last) select(next);
      } else if (event.key in to) select(to[event.key]);
      else return;
      event.preventDefault();
    });
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
  });
  addEventListener("scroll", () => {
    if (tip.hidden) return;
    // Who reads with the keyboard reads on; a pointer is elsewhere now.
    if (document.activeElement?.contains(shownMark)) place();
    else tip.hidden = shownMark.hidden = true;
  }, { passive: true });
})();
